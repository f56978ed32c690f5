-- The outputs of the tasks that a join or end node waits for, by name.
create or replace function goalpost.gather(_run uuid, _definition bigint, _position int)
returns json language sql stable as $$
  select coalesce(json_object_agg(s.name, t.output order by e.src), '{}')
  from goalpost.edges e
  join goalpost.steps s on s.definition_id = e.definition_id and s.position = e.src and s.kind in ('step', 'map', 'join')
  join goalpost.tasks t on t.run_id = _run and t.position = e.src and t.item = -1 and t.status = 'completed'
  where e.definition_id = _definition and e.dst = _position
$$;
