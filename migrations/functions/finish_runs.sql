-- finish_run() for many runs, in one statement; returns those that this completed.
create or replace function goalpost.finish_runs(_ends uuid[], _positions int[], _definitions bigint[])
returns uuid[] language plpgsql as $$
declare
  _at     timestamptz := goalpost.now();
  _over   uuid[];
  _traced uuid[];
  _children uuid[];
begin
  with ended as materialized (
    select k.run_id, array['running', 'paused'] as active,
      coalesce(json_object_agg(t.name, t.output order by t.src) filter (where t.name is not null), '{}') as output
    from goalpost.read_keys(_ends, _positions, _definitions, null) k
    left join lateral (
      select e.src, s.name, d.output
      from (select src from goalpost.edges where definition_id = k.definition_id and dst = k.position) e
      cross join lateral (
        select name from goalpost.steps where definition_id = k.definition_id and position = e.src
          and kind in ('step', 'map', 'join') offset 0) s
      cross join lateral (
        select output from goalpost.tasks where run_id = k.run_id and position = e.src and item = -1
          and status = 'completed' offset 0) d) t on true
    group by k.run_id order by k.run_id),
  finished as (
    update goalpost.runs r set status = 'completed', finished_at = _at, output = e.output
    from ended e where r.id = e.run_id and r.status = any(e.active)
    returning r.id, r.traced, r.parent_run_id)
  select array_agg(id), array_agg(id) filter (where traced), array_agg(id) filter (where parent_run_id is not null)
  into _over, _traced, _children from finished;
  if _traced is not null then
    perform goalpost.emit(t.id, 'workflow_completed', null) from unnest(_traced) t(id);
  end if;
  if _children is not null then
    perform goalpost.wake_parents(_children);
  end if;
  return _over;
end $$;
