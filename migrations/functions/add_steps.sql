-- Appends steps and edges to a definition; returns the position of the first one added.
-- _shape: [[[name, kind, dependencies, rank, lane suffix, step, on skip, on exhausted, map over, map concurrency, inputs, within
--   (if it is planned)], …] in order of position, [spec, …], [[src, dst, reason, optional], …],
--   null or [items of a map, …], and what is not of the steps: see extend_run, add_private_definition].
--   Where a position is named (edges, map over, inputs, within), 0… counts from the first step added, -1 - p is position p of the definition as it was.
create or replace function goalpost.add_steps(_definition bigint, _shape json) returns int language plpgsql as $$
declare
  _parts json[] := goalpost.json_items(_shape);
  _base  int;
begin
  update goalpost.definitions d set next_position = d.next_position + json_array_length(_parts[1])
  where d.id = _definition
  returning d.next_position - json_array_length(_parts[1]) into _base;

  insert into goalpost.steps (definition_id, position, name, kind, dependencies, rank, lane, step, on_skip,
    on_exhausted, map_over, map_concurrency, inputs, within, spec, map_items)
  select _definition, _base + s.ord - 1, s.v->>0, s.v->>1, (s.v->>2)::int, (s.v->>3)::double precision, s.v->>4,
    s.v->>5, coalesce(s.v->>6, 'cascade'), coalesce(s.v->>7, 'fail'), goalpost.absolute(_base, (s.v->>8)::int),
    (s.v->>9)::int,
    case when json_array_length(s.v->10) > 0 then array(
      select goalpost.absolute(_base, i.v::text::int) from json_array_elements(s.v->10) i(v)) else '{}' end,
    case when json_array_length(s.v->11) > 0 then array(
      select goalpost.absolute(_base, w.v::text::int) from json_array_elements(s.v->11) w(v)) end,
    s.spec, case when json_typeof(s.items) = 'array' then s.items end
  from rows from (json_array_elements(_parts[1]), json_array_elements(_parts[2]),
    json_array_elements(case when json_typeof(_parts[4]) = 'array' then _parts[4] end))
    with ordinality s(v, spec, items, ord);

  insert into goalpost.edges (definition_id, src, dst, reason, optional)
  select _definition,
    goalpost.absolute(_base, (e.v->>0)::int), goalpost.absolute(_base, (e.v->>1)::int), e.v->>2, (e.v->>3)::boolean
  from json_array_elements(_parts[3]) e(v);

  -- A distributed run that grows by steps that require something opens new lanes.
  if exists (select 1 from goalpost.steps s where s.definition_id = _definition and s.position >= _base
      and s.lane is not null) then
    perform goalpost.add_lanes(array(
      select distinct r.lane || s.lane
      from (select run_id from goalpost.definitions where id = _definition offset 0) d
      cross join lateral (select lane, execution from goalpost.runs where id = d.run_id offset 0) r
      cross join lateral (
        select lane from goalpost.steps
        where definition_id = _definition and position >= _base and lane is not null offset 0) s
      where r.execution = 'distributed'));
  end if;
  return _base;
end $$;
