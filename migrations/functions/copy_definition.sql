-- A planned run's definition is its own: another run gets a copy. Shared definitions are returned as they are.
create or replace function goalpost.copy_definition(_definition bigint, _run uuid) returns bigint language plpgsql as $$
declare
  _copy bigint;
begin
  insert into goalpost.definitions (name, hash, source, run_id, next_position)
  select d.name, _run::text, d.source, _run, d.next_position from goalpost.definitions d
  where d.id = _definition and d.run_id is not null
  returning id into _copy;
  if not found then
    return _definition;
  end if;
  insert into goalpost.steps (definition_id, position, name, kind, dependencies, rank, lane, step, on_skip,
    on_exhausted, map_over, map_concurrency, inputs, spec)
  select _copy, s.position, s.name, s.kind, s.dependencies, s.rank, s.lane, s.step, s.on_skip,
    s.on_exhausted, s.map_over, s.map_concurrency, s.inputs, s.spec
  from goalpost.steps s where s.definition_id = _definition;
  insert into goalpost.edges (definition_id, src, dst, reason, optional)
  select _copy, e.src, e.dst, e.reason, e.optional from goalpost.edges e where e.definition_id = _definition;
  update goalpost.runs set definition_id = _copy where id = _run;
  return _copy;
end $$;
