-- The outputs of the tasks that a join or end node waits for, by name.
create or replace function goalpost.gather(_run uuid, _definition bigint, _position int)
returns json language plpgsql stable as $$
declare
  _outputs json;
begin
  select coalesce(json_object_agg(s.name, t.output order by e.src), '{}') into _outputs
  from (select src from goalpost.edges where definition_id = _definition and dst = _position) e
  cross join lateral (
    select name from goalpost.steps where definition_id = _definition and position = e.src
      and kind in ('step', 'map', 'join') offset 0) s
  cross join lateral (
    select output from goalpost.tasks where run_id = _run and position = e.src and item = -1
      and status = 'completed' offset 0) t;
  return _outputs;
end $$;
