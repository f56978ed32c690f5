-- Ends a run as cancelled; false if it is unknown or final already. With _force what is running is put down as lost,
-- because its functions may go on and nobody will hear of it, and nothing of the run stays in any queue: ready has no
-- index by run, so that is a look at all of it.
create or replace function goalpost.cancel_run(_run uuid, _error json, _force boolean) returns boolean language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  if _force then
    perform goalpost.inflate(_run);
    perform 1 from goalpost.tasks t where t.run_id = _run
      and t.status in ('waiting', 'ready', 'running', 'suspended') order by t.position, t.item for update;
    insert into goalpost.attempts (run_id, position, item, delivery, outcome, error, worker, started_at, finished_at)
    select t.run_id, t.position, t.item, t.delivery, 'lost', _error, t.worker, t.started_at, goalpost.now()
    from goalpost.tasks t where t.run_id = _run and t.status = 'running'
    on conflict do nothing;
  end if;
  if not goalpost.stop_run(_run, 'cancelled', _error) then
    return false;
  end if;
  if _force then
    delete from goalpost.ready where ctid = any(array(
      select q.ctid from goalpost.ready q where q.run_id = _run for update skip locked));
  end if;
  perform goalpost.publish();
  return true;
end $$;
