-- Adds the node that plans again what is within a join or end node; it is given what the first plan of it was.
create or replace function goalpost.add_replan(_run uuid, _definition bigint, _scope int, _version int) returns void
language plpgsql as $$
declare
  _position int;
begin
  update goalpost.definitions set next_position = next_position + 1, replans = replans + 1
  where id = _definition returning next_position - 1 into _position;
  insert into goalpost.steps (definition_id, position, name, kind, dependencies, rank, within, inputs, spec)
  select _definition, _position, concat('/replan/', _version), 'plan', 1, (
      select min(rank) from goalpost.steps where definition_id = _definition),
    coalesce((select within from goalpost.steps where definition_id = _definition and position = _scope), '{}') || _scope,
    coalesce((
      select s.inputs from goalpost.steps s
      where s.definition_id = _definition and s.kind in ('plan', 'gate') and s.within[cardinality(s.within)] = _scope
        and not starts_with(s.name, '/stream/')
      order by s.position limit 1), '{}'),
    f.spec
  from goalpost.steps f where f.definition_id = _definition and f.position = 0;
  insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left)
  values (_run, _position, -1, _definition, 'waiting', 1);
end $$;
