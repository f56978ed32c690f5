-- Gives a local run whose owner is gone to another worker. False if it is final or not local, or its owner is alive.
create or replace function goalpost.adopt_run(_run uuid, _worker uuid, _lane text) returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _old text;
begin
  -- Mostly the owner is alive, and asking again and again must not lock its tasks.
  if not exists (
    select 1 from goalpost.runs r where r.id = _run and r.execution = 'local'
      and r.status in ('queued', 'running', 'paused')
      and not exists (select 1 from goalpost.instances i where i.worker = r.owner and i.status = 'online')) then
    return false;
  end if;
  perform goalpost.inflate(_run);
  perform 1 from goalpost.tasks t where t.run_id = _run
    and t.status in ('waiting', 'ready', 'running', 'suspended') order by t.position, t.item for update;
  select r.lane into _old from goalpost.runs r
  where r.id = _run and r.execution = 'local' and r.status in ('queued', 'running', 'paused')
    and not exists (select 1 from goalpost.instances i where i.worker = r.owner and i.status = 'online') for update;
  if not found then
    return false;
  end if;
  update goalpost.runs set owner = _worker, first_owner = coalesce(first_owner, owner), lane = _lane where id = _run;
  delete from goalpost.ready where ctid = any(array(
    select q.ctid from goalpost.ready q where q.lane = _old and q.run_id = _run for update skip locked));
  perform goalpost.adopt_children(_run, _worker, _lane);
  perform goalpost.requeue(_run);
  return true;
end $$;
