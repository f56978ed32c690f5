-- Gives a local run whose owner is gone to another worker. False if it is final, or its owner is alive.
create or replace function goalpost.adopt_run(_run uuid, _worker uuid, _lane text) returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _old text;
begin
  perform 1 from goalpost.tasks t where t.run_id = _run and t.status = 'ready' order by t.position, t.item for update;
  select r.lane into _old from goalpost.runs r where r.id = _run and r.status in ('queued', 'running', 'paused')
    and not exists (select 1 from goalpost.instances i where i.worker = r.owner and i.status = 'online') for update;
  if not found then
    return false;
  end if;
  update goalpost.runs set owner = _worker, lane = _lane where id = _run;
  delete from goalpost.ready where lane = _old and run_id = _run;
  perform goalpost.adopt_children(_run, _worker, _lane);
  perform goalpost.queue_ready(_run);
  return true;
end $$;
