-- Removes notices older than 30 s, of the oldest so many. Several may do so at once.
create or replace function goalpost.drop_notices(_most int) returns void language sql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
  with oldest as materialized (
    select n.ordinal, n.at from goalpost.notices n order by n.ordinal limit _most for update skip locked)
  delete from goalpost.notices n using oldest o
  where n.ordinal = o.ordinal and o.at < goalpost.now() - interval '30 seconds'
$$;
