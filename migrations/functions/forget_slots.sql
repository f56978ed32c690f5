-- The tasks at these positions are final without having been settled; so many of them were running. Where running tasks
-- are counted, those are not any more. Ready rows in the lanes are hints, and stay.
create or replace function goalpost.forget_slots(_run uuid, _positions int[], _running int) returns void
language plpgsql as $$
begin
  if (select max_parallel is not null from goalpost.runs where id = _run) then
    delete from goalpost.ready where ctid = any(array(
      select q.ctid from goalpost.ready q
      where q.lane = '#' || _run and q.position = any(_positions) for update skip locked));
    delete from goalpost.ready where ctid = any(array(
      select q.ctid from goalpost.ready q
      where q.lane = '@' and q.prio = 0 and q.run_id = _run and q.position = any(_positions) for update skip locked));
    with parked as materialized (
      select q.position, q.item from goalpost.ready q where q.lane = '#' || _run
      union all
      select q.position, q.item from goalpost.ready q where q.lane = '@' and q.prio = 0 and q.run_id = _run)
    update goalpost.runs set running = (
      select count(*) from goalpost.tasks t
      where t.run_id = _run and (t.status = 'running'
        or t.status = 'ready' and (t.position, t.item) not in (select position, item from parked)))
    where id = _run;
    perform goalpost.admit(_run);
  end if;
  if _running > 0 then
    perform goalpost.leave_queue(_run, _running);
  end if;
end $$;
