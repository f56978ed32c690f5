-- Makes the ready rows of a run that has none: it begins, or its lane was taken away. Delayed ones stay where they are:
-- see queue_ready.
create or replace function goalpost.requeue(_run uuid) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  if (select max_parallel is not null from goalpost.runs where id = _run) then
    delete from goalpost.ready where lane = '#' || _run;
    update goalpost.runs set running = (
      select count(*) from goalpost.tasks where run_id = _run and status = 'running') where id = _run;
    with delayed as materialized (
      select q.position, q.item from goalpost.ready q
      where q.lane = '@' and q.prio = 0 and q.run_id = _run for update)
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
    select '#' || _run, r.prio, r.key, s.rank, _run, t.position, t.item, goalpost.lane_of(r.lane, s.lane)
    from (select run_id, definition_id, position, item from goalpost.tasks
      where run_id = _run and status = 'ready' and (position, item) not in (select position, item from delayed)
      offset 0) t
    cross join lateral (select lane, prio, key from goalpost.runs where id = t.run_id offset 0) r
    cross join lateral (
      select lane, rank from goalpost.steps
      where definition_id = t.definition_id and position = t.position and (t.item >= 0 or kind <> 'map') offset 0) s;
  end if;
  perform goalpost.queue_ready(_run);
end $$;
