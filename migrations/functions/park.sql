-- Of rows that were taken from a lane, those of runs with a limit whose tasks were not started go back: unlike other
-- rows, these are counted. They wait in the lane of their run, and are moved up at once if it was resumed meanwhile.
create or replace function goalpost.park(_runs uuid[], _positions int[], _items int[]) returns void language plpgsql as $$
declare
  _run record;
begin
  for _run in
    with parked as (
      insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
      select '#' || u.id, u.prio, u.key, s.rank, u.id, c.position, c.item, goalpost.lane_of(u.lane, s.lane)
      from goalpost.read_handout(_runs, _positions, _items, null) c
      cross join lateral (
        select id, definition_id, prio, key, lane from goalpost.runs
        where id = c.run_id and status in ('running', 'paused') and max_parallel is not null offset 0) u
      cross join lateral (
        select 1 from goalpost.tasks
        where run_id = c.run_id and position = c.position and item = c.item and status = 'ready' offset 0) t
      cross join lateral (
        select rank, lane from goalpost.steps
        where definition_id = u.definition_id and position = c.position offset 0) s
      returning run_id)
    select run_id, count(*)::int as n from parked group by 1 order by 1
  loop
    update goalpost.runs set running = greatest(0, running - _run.n) where id = _run.run_id;
    perform goalpost.admit(_run.run_id);
  end loop;
end $$;
