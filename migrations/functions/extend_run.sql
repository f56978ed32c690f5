-- Lets a run grow by what one of its running tasks (_position) has planned: part of settling that task, so it cannot race
-- the run's end, or of handing a part of its plan on (stream_tasks). New tasks wait for that task (who settles it counts
-- it down after) and for what is not final of the others that they depend on; what leads into joins that are still
-- waiting is counted there. Returns the position of the first new node. A gate that waits for nothing is passed at once.
-- _shape: see add_steps; the fifth part is [what the plan changed or null], if it is a plan that replaces another: what
-- is not completed of the earlier ones then makes room for new tasks with its names.
create or replace function goalpost.extend_run(_run uuid, _position int, _definition bigint, _shape json)
returns int language plpgsql as $$
declare
  _parts   json[] := goalpost.json_items(_shape);
  _base    int;
  _joins   int;
  _waiting int;
begin
  if json_typeof(_parts[5]) = 'array' then
    perform goalpost.make_room(_run, _position, _definition);
  end if;
  _base := goalpost.add_steps(_definition, _shape);

  -- What was there before may become final at this moment.
  perform 1
  from (
    select distinct -1 - (e.v->>0)::int as position from json_array_elements(_parts[3]) e(v)
    where (e.v->>0)::int < 0 and -1 - (e.v->>0)::int <> _position order by 1) k
  cross join lateral (
    select 1 from goalpost.tasks where run_id = _run and position = k.position and item = -1 for share) t;
  if found then
    insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, skip, finished_at)
    select _run, s.position, -1, _definition, case when s.dependencies > d.final then 'waiting' else 'completed' end,
      s.dependencies - d.final, d.skip, case when s.dependencies = d.final then goalpost.now() end
    from goalpost.steps s
    cross join lateral (
      select count(*)::int as final, coalesce(bool_or(t.cascades and not e.optional), false) as skip
      from (
        select src, optional from goalpost.edges
        where definition_id = _definition and dst = s.position and src < _base and src <> _position offset 0) e
      cross join lateral goalpost.final_task(_run, _definition, e.src) t
      where t.final) d
    where s.definition_id = _definition and s.position >= _base;
  else
    insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, finished_at)
    select _run, s.position, -1, _definition, case when s.dependencies > 0 then 'waiting' else 'completed' end,
      s.dependencies, case when s.dependencies = 0 then goalpost.now() end
    from goalpost.steps s where s.definition_id = _definition and s.position >= _base;
  end if;

  with old as (
    select _run as run_id, -1 - (e.v->>1)::int as position, -1 as item, 'waiting' as was,
      count(*) filter (where t.final is not true)::int as n,
      coalesce(bool_or(t.final and t.cascades and not (e.v->>3)::boolean), false) as skip
    from json_array_elements(_parts[3]) e(v)
    left join lateral (
      select * from goalpost.final_task(_run, _definition, -1 - (e.v->>0)::int)
      where (e.v->>0)::int < 0 and -1 - (e.v->>0)::int <> _position) t on true
    where (e.v->>1)::int < 0 group by 2),
  grown as (
    update goalpost.tasks t set deps_left = t.deps_left + old.n, skip = t.skip or old.skip
    from old where t.run_id = old.run_id and t.position = old.position and t.item = old.item and t.status = old.was
    returning 1)
  select (select count(*) from old), (select count(*) from grown) into _joins, _waiting;
  if _joins <> _waiting then
    raise exception 'run % cannot grow: a join that should wait for the new tasks is no longer waiting', _run
      using errcode = 'GP001';
  end if;
  return _base;
end $$;
