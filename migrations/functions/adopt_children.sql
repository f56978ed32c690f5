-- The unfinished local children of a run that was taken over go with it. Tasks that wait for them are woken: called
-- again, their functions bring the children's code.
create or replace function goalpost.adopt_children(_run uuid, _worker uuid, _lane text) returns void language plpgsql as $$
declare
  _child record;
begin
  update goalpost.tasks t set status = 'ready'
  where t.run_id = _run and t.status = 'suspended' and exists (
    select 1 from goalpost.waits w
    where w.run_id = t.run_id and w.position = t.position and w.item = t.item
      and w.kind = 'child' and w.state = 'waiting');
  for _child in
    select r.id from goalpost.runs r where r.parent_run_id = _run and r.finished_at is null and r.execution = 'local'
    order by r.id
  loop
    perform goalpost.adopt_run(_child.id, _worker, _lane);
  end loop;
end $$;
