-- A planned run's definition is its own: another run gets a copy. With _fresh it is what the run began with, before
-- it was planned: everything up to its end node. Shared definitions are returned as they are.
create or replace function goalpost.copy_definition(_definition bigint, _run uuid, _fresh boolean)
returns bigint language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _copy bigint;
  _next int;
begin
  select case when _fresh then (
      select min(s.position) + 1 from goalpost.steps s where s.definition_id = d.id and s.kind = 'end')
    else d.next_position end
  into _next from goalpost.definitions d where d.id = _definition;
  insert into goalpost.definitions (name, hash, source, run_id, next_position, max_replans)
  select d.name, _run::text, d.source, _run, _next, d.max_replans from goalpost.definitions d
  where d.id = _definition and d.run_id is not null
  returning id into _copy;
  if not found then
    return _definition;
  end if;
  insert into goalpost.steps (definition_id, position, name, kind, dependencies, rank, lane, step, on_skip,
    on_exhausted, map_over, map_concurrency, inputs, spec, map_items, within, replaced)
  select _copy, s.position, case when _fresh then split_part(s.name, '@', 1) else s.name end, s.kind, s.dependencies,
    s.rank, s.lane, s.step, s.on_skip, s.on_exhausted, s.map_over, s.map_concurrency, s.inputs, s.spec, s.map_items, s.within,
    case when not _fresh then s.replaced end
  from goalpost.steps s where s.definition_id = _definition and s.position < _next;
  insert into goalpost.edges (definition_id, src, dst, reason, optional)
  select _copy, e.src, e.dst, e.reason, e.optional from goalpost.edges e
  where e.definition_id = _definition and e.src < _next and e.dst < _next and not _fresh;
  if _fresh then
    -- The way from the plan to the end is gone if the plan was replaced.
    insert into goalpost.edges (definition_id, src, dst, reason) values (_copy, 0, _next - 1, 'order');
  end if;
  return _copy;
end $$;
