-- The chunks of a collection whose vectors are nearest to _vector, by the index of the model (vector-index.ts makes it), the
-- nearest first. _as: the type that the index is over, vector(384) for example. _filter: see nearest_chunks.
-- Without these settings the planner would choose by statistics that a new table does not have. The statement has the
-- index's expression and predicate word for word, or it would not be used; the filter is a subquery that cannot be turned
-- into a join, so that the order of the index is kept. In relaxed order neighbours may be swapped: hence the second order,
-- by another expression, or the planner would take it for the first.
create or replace function goalpost.nearest_by_index(_model int, _as text, _collection bigint, _vector text, _filter jsonb,
  _count int, out _documents bigint[], out _ordinals int[]) language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set jit = off
as $$
begin
  perform set_config('hnsw.ef_search', least(1000, greatest(100, 2 * _count))::text, true),
    set_config('hnsw.iterative_scan', 'relaxed_order', true);
  execute format($query$
    select array_agg(document_id order by distance + 0), array_agg(ordinal order by distance + 0) from (
      select v.document_id, v.ordinal, (v.embedding::%1$s) <=> ($1::%1$s) as distance
      from goalpost.document_vectors v
      where v.model_id = %2$s and v.collection_id = $2
        and ($3 is null or (select d.metadata @> $3 from goalpost.documents d where d.id = v.document_id))
      order by (v.embedding::%1$s) <=> ($1::%1$s) limit $4) n
    $query$, _as, _model)
  into _documents, _ordinals using _vector, _collection, _filter, _count;
end $$;
