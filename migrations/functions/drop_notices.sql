-- Removes notices older than 30 s, of the oldest so many. Several may do so at once.
create or replace function goalpost.drop_notices(_most int) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _cutoff timestamptz := goalpost.now() - interval '30 seconds';
begin
  if (select n.at >= _cutoff from goalpost.notices n order by n.ordinal limit 1) then
    return;
  end if;
  with oldest as materialized (
    select n.ordinal, n.at from goalpost.notices n order by n.ordinal limit _most),
  expired as materialized (
    select n.ordinal from oldest o
    cross join lateral (select n.ordinal from goalpost.notices n where n.ordinal = o.ordinal for update skip locked) n
    where o.at < _cutoff)
  delete from goalpost.notices n using expired e where n.ordinal = e.ordinal;
end $$;
