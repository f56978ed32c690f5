-- Removes messages older than the cutoff, at most _batch of them, from the oldest of each channel on, so that what is
-- left has no gap; and notices that have had their time. Returns how many messages.
create or replace function goalpost.prune_messages(_cutoff timestamptz, _batch int) returns int language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _removed int;
begin
  with old as materialized (
    select c.name as channel, m.seq
    from goalpost.channels c
    cross join lateral (
      select f.at from goalpost.messages f where f.channel = c.name order by f.seq limit 1 offset 0) first
    cross join lateral (
      select p.seq from (
        select b.seq, bool_and(b.at < _cutoff) over (order by b.seq) as old
        from (select b.seq, b.at from goalpost.messages b where b.channel = c.name order by b.seq limit _batch) b) p
      where p.old offset 0) m
    where first.at < _cutoff
    order by c.name, m.seq limit _batch)
  delete from goalpost.messages m using old o where m.channel = o.channel and m.seq = o.seq;
  get diagnostics _removed = row_count;
  perform goalpost.drop_notices(_batch);
  return _removed;
end $$;
