-- Begins a run whose start was delayed; returns it if it is over by that.
create or replace function goalpost.launch(_run uuid) returns uuid[] language plpgsql as $$
begin
  update goalpost.runs set status = 'running' where id = _run and status = 'queued';
  if not found then
    return null;
  end if;
  perform goalpost.emit(_run, 'workflow_started', null);
  perform goalpost.requeue(_run);
  return goalpost.begin_run(_run);
end $$;
