-- Lets a run grow: part of settling one of its running tasks, so it cannot race the run's end. New tasks wait for
-- that task (the caller counts it down after), new leaves are added to joins that are still waiting.
create or replace function goalpost.extend_run(_run uuid, _definition bigint, _shape json)
returns void language plpgsql as $$
declare
  _base    int;
  _joins   int;
  _waiting int;
begin
  _base := goalpost.add_steps(_definition, _shape);

  insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left)
  select _run, s.position, -1, _definition, 'waiting', s.dependencies
  from goalpost.steps s where s.definition_id = _definition and s.position >= _base;

  with old as (
    select _run as run_id, -1 - (e.v->>1)::int as position, -1 as item, 'waiting' as was, count(*)::int as n
    from json_array_elements((goalpost.json_items(_shape))[3]) e(v) where (e.v->>1)::int < 0 group by 2),
  grown as (
    update goalpost.tasks t set deps_left = t.deps_left + old.n
    from old where t.run_id = old.run_id and t.position = old.position and t.item = old.item and t.status = old.was
    returning 1)
  select (select count(*) from old), (select count(*) from grown) into _joins, _waiting;
  if _joins <> _waiting then
    raise exception 'run % cannot grow: a join that should wait for the new tasks is no longer waiting', _run
      using errcode = 'GP001';
  end if;
end $$;
