-- Lets a paused run go on. Ready rows that were dropped while it was paused are made again; those that were not are
-- there twice then, which does no harm: the second one finds its task taken. False if the run is not paused.
create or replace function goalpost.resume_run(_run uuid) returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  perform 1 from goalpost.tasks t where t.run_id = _run and t.status = 'ready' order by t.position, t.item for update;
  update goalpost.runs set status = 'running' where id = _run and status = 'paused';
  if not found then
    return false;
  end if;
  perform goalpost.queue_ready(_run);
  return true;
end $$;
