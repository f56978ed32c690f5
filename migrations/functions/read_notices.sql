-- Those of some notices that are still there.
create or replace function goalpost.read_notices(_ordinals bigint[])
returns table (seq bigint, id uuid, payload text, at timestamptz) language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  return query
  select n.after_seq, n.id, n.payload::text, n.at
  from unnest(_ordinals) with ordinality o(ordinal, ord)
  cross join lateral (select n.* from goalpost.notices n where n.ordinal = o.ordinal offset 0) n
  order by o.ord;
end $$;
