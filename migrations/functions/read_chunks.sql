-- Chunks as they are found, in the order that is given, and how like _vector each is: a cosine.
create or replace function goalpost.read_chunks(_documents bigint[], _ordinals int[], _model int, _vector text)
returns table (id text, ordinal int, "text" text, start_offset int, end_offset int, metadata text, score double precision)
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select d.key, c.ordinal, c.text, c.start_offset, c.end_offset, d.metadata::text, 1 - (v.embedding <=> (select _vector::vector))
  from unnest(_documents, _ordinals) with ordinality u (document_id, ordinal, place)
  join goalpost.document_chunks c on c.document_id = u.document_id and c.ordinal = u.ordinal
  join goalpost.documents d on d.id = c.document_id
  join goalpost.document_vectors v on v.document_id = c.document_id and v.ordinal = c.ordinal and v.model_id = _model
  order by u.place;
end $$;
