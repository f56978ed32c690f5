-- Lets a paused run go on; false if it is not paused. The tasks are locked first: one that became ready between the
-- look for ready ones and the commit would leave a row that is claimed, and dropped because the run is still paused.
create or replace function goalpost.resume_run(_run uuid) returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  if not exists (select 1 from goalpost.runs r where r.id = _run and r.status = 'paused') then
    return false;
  end if;
  perform 1 from goalpost.tasks t where t.run_id = _run
    and t.status in ('waiting', 'ready', 'running', 'suspended') order by t.position, t.item for update;
  update goalpost.runs set status = 'running' where id = _run and status = 'paused';
  if not found then
    return false;
  end if;
  perform goalpost.emit(_run, 'workflow_resumed', null);
  perform goalpost.queue_ready(_run);
  perform goalpost.publish();
  return true;
end $$;
