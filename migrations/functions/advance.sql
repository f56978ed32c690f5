-- Counts down the dependents of tasks that became final. A dependent is decided once, when its last dependency is: it is
-- skipped if one that it needs was (or failed) with "cascade", else ready, or completed if it settles by itself (gate,
-- join, end); then its own dependents are next. Ready tasks go straight to the worker if there is room and nothing
-- better waits in its lanes (_head). Runs whose end node is reached are finished: over. _extras: some run may be traced.
create or replace function goalpost.advance(
  _runs uuid[], _positions int[], _definitions bigint[], _cascades boolean[], _extras boolean,
  _worker uuid, _lanes text[], _room int, _head goalpost.place)
returns goalpost.advanced language plpgsql as $$
declare
  _at    timestamptz := goalpost.now();
  _child record;
  _task  record;
  _run   record;
  _known uuid;
  _lane  text;
  _direct boolean;
  _next_runs        uuid[];
  _next_positions   int[];
  _next_definitions bigint[];
  _next_cascades    boolean[];
  _map_runs         uuid[];
  _map_positions    int[];
  _map_definitions  bigint[];
  _ends             uuid[];
  _end_positions    int[];
  _end_definitions  bigint[];
  _limited          uuid[];
  _more  record;
  _got   goalpost.advanced;
begin
  while cardinality(_runs) > 0 loop
    _next_runs := null;
    _next_positions := null;
    _next_definitions := null;
    _next_cascades := null;
    _map_runs := null;
    _map_positions := null;
    _map_definitions := null;
    for _child in
      select d.*, s.kind, s.rank, s.lane, s.on_skip
      from (
        select f.run_id, f.definition_id, e.dst as position, count(*)::int as n,
          coalesce(bool_or(f.cascade and not e.optional), false) as skip
        from unnest(_runs, _positions, _definitions, _cascades) f(run_id, position, definition_id, cascade)
        cross join lateral (
          select dst, optional from goalpost.edges
          where definition_id = f.definition_id and src = f.position offset 0) e
        group by 1, 2, 3 order by 1, 3) d
      cross join lateral (
        select kind, rank, lane, on_skip from goalpost.steps
        where definition_id = d.definition_id and position = d.position offset 0) s
    loop
      _direct := false;
      if _child.kind in ('step', 'plan') then
        if _known is distinct from _child.run_id then
          _known := _child.run_id;
          select r.id, r.status, r.lane, r.prio, r.key, r.max_parallel into _run
          from goalpost.runs r where r.id = _child.run_id;
        end if;
        _lane := goalpost.lane_of(_run.lane, _child.lane);
        _direct := _room > 0 and _run.status = 'running' and _run.max_parallel is null and _lane = any(_lanes)
          and (_head.key is null or (_run.prio, _run.key, _child.rank) <= (_head.prio, _head.key, _head.rank));
      end if;
      update goalpost.tasks t set deps_left = t.deps_left - _child.n, skip = t.skip or _child.skip,
        status = case when t.deps_left > _child.n then 'waiting'
                      when (t.skip or _child.skip) and _child.kind not in ('join', 'end') then 'skipped'
                      when _direct then 'running'
                      when _child.kind in ('step', 'map', 'plan') then 'ready' else 'completed' end,
        finished_at = case when t.deps_left = _child.n
          and (t.skip or _child.skip or _child.kind in ('gate', 'join', 'end')) then _at end,
        worker = case when t.deps_left = _child.n and _direct and not (t.skip or _child.skip) then _worker end,
        delivery = t.delivery + case when t.deps_left = _child.n and _direct then 1 else 0 end,
        started_at = case when t.deps_left = _child.n and _direct and not (t.skip or _child.skip) then _at end
      where t.run_id = _child.run_id and t.position = _child.position and t.item = -1 and t.status = 'waiting'
      returning t.status, t.skip, t.delivery into _task;
      continue when not found or _task.status = 'waiting';

      if _task.status = 'running' then
        _room := _room - 1;
        _got.runs := _got.runs || _child.run_id;
        _got.positions := _got.positions || _child.position;
        _got.items := _got.items || -1;
        _got.deliveries := _got.deliveries || _task.delivery;
      elsif _child.kind = 'end' then
        _ends := _ends || _child.run_id;
        _end_positions := _end_positions || _child.position;
        _end_definitions := _end_definitions || _child.definition_id;
      elsif _task.status = 'ready' and _child.kind = 'map' then
        _map_runs := _map_runs || _child.run_id;
        _map_positions := _map_positions || _child.position;
        _map_definitions := _map_definitions || _child.definition_id;
      elsif _task.status = 'ready' then
        insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
        values (case when _run.max_parallel is null then _lane else '#' || _run.id end, _run.prio, _run.key, _child.rank,
          _child.run_id, _child.position, -1, case when _run.max_parallel is not null then _lane end);
        if _lane <> all(coalesce(_got.queued, '{}')) then
          _got.queued := _got.queued || _lane;
        end if;
        if _run.max_parallel is not null and _run.id <> all(coalesce(_limited, '{}')) then
          _limited := _limited || _run.id;
        end if;
      else
        if _child.kind = 'join' then
          _task.status := goalpost.close_join(_child.run_id, _child.position, _child.definition_id, _task.skip);
        end if;
        if _extras and _child.kind <> 'gate' then
          perform goalpost.emit_task(_child.run_id, _child.position, 'task_' || _task.status, null, null);
        end if;
        _next_runs := _next_runs || _child.run_id;
        _next_positions := _next_positions || _child.position;
        _next_definitions := _next_definitions || _child.definition_id;
        _next_cascades := _next_cascades || (_task.status = 'skipped' and _child.on_skip = 'cascade');
      end if;
    end loop;

    if _map_runs is not null then
      _more := goalpost.expand_maps(_map_runs, _map_positions, _map_definitions);
      _got.over := _got.over || _more.over;
      _got.queued := _got.queued || _more.lanes;
      _next_runs := _next_runs || _more.runs;
      _next_positions := _next_positions || _more.positions;
      _next_definitions := _next_definitions || _more.definitions;
      _next_cascades := _next_cascades || array_fill(false, array[coalesce(cardinality(_more.runs), 0)]);
    end if;
    _runs := _next_runs;
    _positions := _next_positions;
    _definitions := _next_definitions;
    _cascades := _next_cascades;
  end loop;

  -- Runs are locked after all tasks.
  for _i in 1..coalesce(cardinality(_ends), 0) loop
    if goalpost.finish_run(_ends[_i], _end_positions[_i], _end_definitions[_i]) then
      _got.over := _got.over || _ends[_i];
    end if;
  end loop;
  if _limited is not null then
    perform goalpost.admit(l.id) from unnest(_limited) l(id);
  end if;
  return _got;
end $$;
