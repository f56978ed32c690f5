-- Lets a paused run go on; false if it is not paused. The caller makes the ready rows again, by queue_ready, in a
-- transaction of its own after this: until this is committed, a claim drops the rows that it finds.
create or replace function goalpost.resume_run(_run uuid) returns boolean language plpgsql as $$
begin
  update goalpost.runs set status = 'running' where id = _run and status = 'paused';
  if not found then
    return false;
  end if;
  perform goalpost.emit(_run, 'workflow_resumed', null);
  perform goalpost.publish();
  return true;
end $$;
