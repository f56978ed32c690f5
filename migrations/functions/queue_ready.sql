-- Makes the ready rows of a run's ready tasks, but for those that are delayed: their rows in lane '@' are kept until
-- they are due, and locked, so that none is moved on while the caller is under way. Some may be there twice then, which
-- does no harm: the second one finds its task taken. The rows of a run with a limit are never dropped: of those only as
-- many as there is room for move up.
create or replace function goalpost.queue_ready(_run uuid) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  if (select max_parallel is not null from goalpost.runs where id = _run) then
    perform goalpost.admit(_run);
    return;
  end if;
  with delayed as materialized (
    select q.position, q.item from goalpost.ready q
    where q.lane = '@' and q.prio = 0 and q.run_id = _run for update)
  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
  select goalpost.lane_of(r.lane, s.lane), r.prio, r.key, s.rank, t.run_id, t.position, t.item
  from (select run_id, definition_id, position, item from goalpost.tasks
    where run_id = _run and status = 'ready' and (position, item) not in (select position, item from delayed)
    offset 0) t
  cross join lateral (select lane, prio, key from goalpost.runs where id = t.run_id offset 0) r
  cross join lateral (
    select lane, rank from goalpost.steps
    where definition_id = t.definition_id and position = t.position and (t.item >= 0 or kind <> 'map') offset 0) s;
end $$;
