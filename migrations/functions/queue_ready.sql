-- Makes the ready rows of a run's ready tasks. Some may be there twice then, which does no harm: the second one finds
-- its task taken.
create or replace function goalpost.queue_ready(_run uuid) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
  select goalpost.lane_of(r.lane, s.lane), r.prio, r.key, s.rank, t.run_id, t.position, t.item
  from (select run_id, definition_id, position, item from goalpost.tasks
    where run_id = _run and status = 'ready' offset 0) t
  cross join lateral (select lane, prio, key from goalpost.runs where id = t.run_id offset 0) r
  cross join lateral (
    select lane, rank from goalpost.steps
    where definition_id = t.definition_id and position = t.position offset 0) s;
end $$;
