-- Lets a paused run go on; false if it is not paused. A claim drops the ready rows of a run that it finds paused, so
-- they are made again here, in the same transaction: whoever dies in between leaves the run paused. Until this is
-- committed no other task of the run may become ready, or a claim that still finds the run paused would drop its row
-- unseen: hence the locks, in the order of stop_run.
create or replace function goalpost.resume_run(_run uuid) returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  perform 1 from goalpost.tasks t where t.run_id = _run
    and t.status in ('waiting', 'ready', 'running', 'suspended') order by t.position, t.item for update;
  update goalpost.runs set status = 'running' where id = _run and status = 'paused';
  if not found then
    return false;
  end if;
  perform goalpost.queue_ready(_run);
  perform goalpost.emit(_run, 'workflow_resumed', null);
  perform goalpost.publish();
  return true;
end $$;
