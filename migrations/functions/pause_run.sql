-- Nothing of the run is claimed any more; what is running goes on. False if the run is not running.
create or replace function goalpost.pause_run(_run uuid) returns boolean language plpgsql as $$
begin
  perform goalpost.inflate(_run);
  update goalpost.runs set status = 'paused' where id = _run and status = 'running';
  if not found then
    return false;
  end if;
  perform goalpost.emit(_run, 'workflow_paused', null);
  perform goalpost.publish();
  return true;
end $$;
