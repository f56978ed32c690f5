-- Ends a run as failed or cancelled: every task that is not final is cancelled, in lock order, then the run.
-- False if the run is unknown or final already. Ready rows in shared lanes are hints, dropped by whoever claims them.
create or replace function goalpost.stop_run(_run uuid, _status text, _error json) returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _lane text;
  _child boolean;
  _running int;
begin
  perform goalpost.inflate(_run);
  perform 1 from goalpost.tasks t where t.run_id = _run
    and t.status in ('waiting', 'ready', 'running', 'suspended') order by t.position, t.item for update;
  update goalpost.runs set status = _status, error = _error, finished_at = goalpost.now()
  where id = _run and status in ('queued', 'running', 'paused')
  returning case when execution = 'local' then lane end, parent_run_id is not null into _lane, _child;
  if not found then
    return false;
  end if;
  select count(*) into _running from goalpost.tasks where run_id = _run and status = 'running';
  if _running > 0 then
    perform goalpost.leave_queue(_run, _running);
  end if;
  update goalpost.tasks set status = 'cancelled', finished_at = goalpost.now()
  where run_id = _run and status in ('waiting', 'ready', 'running', 'suspended');
  -- Nobody else would ever take them out of the lane of an instance that is gone. A claim that holds one of them
  -- drops it itself, and may be waiting for a task that is locked here.
  delete from goalpost.ready where ctid = any(array(
    select q.ctid from goalpost.ready q where q.lane = _lane and q.run_id = _run for update skip locked));
  delete from goalpost.ready where ctid = any(array(
    select q.ctid from goalpost.ready q where q.lane = '#' || _run for update skip locked));
  if _child then
    perform goalpost.wake_parents(array[_run]);
  end if;
  -- Whoever carries out a task of it, or waits for it, should not have to find out by looking.
  perform goalpost.emit(_run, 'workflow_' || _status, case when _error is not null then json_build_object('error', _error) end);
  perform pg_notify('goalpost', _run::text);
  return true;
end $$;
