-- Expands map tasks whose dependencies are final: each element of the array is stored once, as the input of an item.
-- What is mapped over is the run's input or the output of one task; the output of a task that was skipped counts as [].
-- A map of nothing is completed with [] and given back in runs, positions, definitions; a map over something else than
-- an array fails its run with TYPE_VIOLATION, given back in over. lanes: where items wait now.
create or replace function goalpost.expand_maps(_runs uuid[], _positions int[], _definitions bigint[],
  out over uuid[], out lanes text[], out runs uuid[], out positions int[], out definitions bigint[]) language plpgsql as $$
declare
  _at    timestamptz := goalpost.now();
  _map   record;
  _count int;
  _error json;
begin
  for _map in
    select k.run_id, k.position, k.definition_id, s.name, s.step, s.rank, s.map_over, s.map_concurrency,
      goalpost.lane_of(r.lane, s.lane) as lane, r.prio, r.key, r.max_parallel, o.name as source,
      case when s.map_items is not null then s.map_items when s.map_over is null then r.input
        else coalesce(d.output, '[]') end as list
    from goalpost.read_keys(_runs, _positions, _definitions, null) k
    cross join lateral (
      select name, step, rank, lane, map_over, map_items, map_concurrency from goalpost.steps
      where definition_id = k.definition_id and position = k.position offset 0) s
    cross join lateral (select lane, prio, key, max_parallel, input from goalpost.runs where id = k.run_id offset 0) r
    left join lateral (
      select output from goalpost.tasks
      where run_id = k.run_id and position = s.map_over and item = -1 and status = 'completed' offset 0) d on true
    left join lateral (
      select name from goalpost.steps
      where definition_id = k.definition_id and position = s.map_over offset 0) o on true
    order by k.run_id, k.position
  loop
    if json_typeof(_map.list) <> 'array' then
      _error := json_build_object('code', 'TYPE_VIOLATION',
        'message', format('map "%s" needs an array, but %s is of type %s', _map.name,
          case when _map.source is null then 'the input of the run' else format('the output of "%s"', _map.source) end,
          json_typeof(_map.list)),
        'task', json_build_object('id', _map.name, 'step', coalesce(_map.step, _map.name), 'attempt', 1));
      update goalpost.tasks set status = 'failed', error = _error, finished_at = _at
      where run_id = _map.run_id and position = _map.position and item = -1 and status = 'ready';
      perform goalpost.emit_task(_map.run_id, _map.position, 'task_failed', 1, json_build_object('error', _error));
      if goalpost.replan(_map.run_id, _map.position, _error) then
        runs := runs || _map.run_id;
        positions := positions || _map.position;
        definitions := definitions || _map.definition_id;
      elsif goalpost.stop_run(_map.run_id, 'failed', _error) then
        over := over || _map.run_id;
      end if;
      continue;
    end if;
    insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, input)
    select _map.run_id, _map.position, e.ord - 1, _map.definition_id,
      case when e.ord > _map.map_concurrency then 'waiting' else 'ready' end,
      case when e.ord > _map.map_concurrency then 1 else 0 end, e.v
    from json_array_elements(_map.list) with ordinality e(v, ord);
    get diagnostics _count = row_count;
    if _count = 0 then
      update goalpost.tasks set status = 'completed', output = '[]', finished_at = _at
      where run_id = _map.run_id and position = _map.position and item = -1;
      perform goalpost.emit_task(_map.run_id, _map.position, 'task_completed', 1, null);
      runs := runs || _map.run_id;
      positions := positions || _map.position;
      definitions := definitions || _map.definition_id;
      continue;
    end if;
    perform goalpost.emit_task(_map.run_id, _map.position, 'task_started', 1, null);
    update goalpost.tasks set status = 'waiting', deps_left = _count, started_at = _at,
      next_item = case when _count > _map.map_concurrency then _map.map_concurrency end
    where run_id = _map.run_id and position = _map.position and item = -1;
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
    select case when _map.max_parallel is null then _map.lane else '#' || _map.run_id end, _map.prio, _map.key,
      _map.rank, _map.run_id, _map.position, i, case when _map.max_parallel is not null then _map.lane end
    from generate_series(0, least(_count, coalesce(_map.map_concurrency, _count)) - 1) i;
    lanes := lanes || _map.lane;
    if _map.max_parallel is not null then
      perform goalpost.admit(_map.run_id);
    end if;
  end loop;
end $$;
