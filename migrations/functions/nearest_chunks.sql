-- The chunks of a collection whose vectors are nearest to _vector, the nearest first. _as: the type that the index of the
-- model is over; null to compare all of them. _filter: what the metadata of the documents must contain; null for anything.
-- With a filter that few fit the index gives up: comparing those few is quick. _chunks: how many the collection has.
create or replace function goalpost.nearest_chunks(_model int, _as text, _collection bigint, _vector text, _filter jsonb,
  _count int, _chunks bigint, out _documents bigint[], out _ordinals int[]) language plpgsql
set jit = off set plan_cache_mode = force_custom_plan
as $$
begin
  if _as is not null then
    select n._documents, n._ordinals into _documents, _ordinals
    from goalpost.nearest_by_index(_model, _as, _collection, _vector, _filter, _count) n;
    if coalesce(cardinality(_documents), 0) >= least(_count, _chunks) then
      return;
    end if;
  end if;
  select array_agg(n.document_id order by n.distance + 0, n.document_id, n.ordinal),
    array_agg(n.ordinal order by n.distance + 0, n.document_id, n.ordinal)
  into _documents, _ordinals
  from (
    select v.document_id, v.ordinal, v.embedding <=> (select _vector::vector) as distance
    from goalpost.document_vectors v
    where v.model_id = _model and v.collection_id = _collection
      and (_filter is null or (select d.metadata @> _filter from goalpost.documents d where d.id = v.document_id))
    order by distance, v.document_id, v.ordinal limit _count) n;
end $$;
