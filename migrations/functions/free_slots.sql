-- The tasks of these reports are no longer running: of runs and queues with a limit, others take their place.
create or replace function goalpost.free_slots(_reports json, _settled bigint[]) returns void language plpgsql as $$
declare
  _run record;
begin
  for _run in
    select r.run_id, count(*)::int as n, u.limited
    from goalpost.read_reports(_reports, null, null) r
    cross join lateral (
      select max_parallel is not null as limited from goalpost.runs
      where id = r.run_id and (max_parallel is not null or execution = 'distributed') offset 0) u
    where r.ord = any(_settled)
    group by 1, 3 order by 1
  loop
    if _run.limited then
      update goalpost.runs set running = greatest(0, running - _run.n) where id = _run.run_id;
      perform goalpost.admit(_run.run_id);
    end if;
    perform goalpost.leave_queue(_run.run_id, _run.n);
  end loop;
end $$;
