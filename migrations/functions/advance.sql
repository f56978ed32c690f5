-- Counts down the dependents of tasks that became final. A dependent is decided once, when its last dependency is: it is
-- skipped if one that it needs was (or failed) with "cascade", else ready, or completed if it settles by itself (gate,
-- join, end); then its own dependents are next. Ready tasks go straight to the worker if there is room and nothing
-- better waits in its lanes (_head): see count_down. Runs whose end node is reached are finished: over. _extras: some run may be traced.
create or replace function goalpost.advance(
  _runs uuid[], _positions int[], _definitions bigint[], _cascades boolean[], _extras boolean,
  _worker uuid, _lanes text[], _room int, _head goalpost.place)
returns goalpost.advanced language plpgsql as $$
declare
  _decided goalpost.decided[];
  _task    goalpost.decided;
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
    if cardinality(_runs) > 8 then
      _decided := goalpost.count_down_many(_runs, _positions, _definitions, _cascades, _worker, _lanes, _room, _head);
    else
      _decided := goalpost.count_down(_runs, _positions, _definitions, _cascades, _worker, _lanes, _room, _head);
    end if;
    foreach _task in array coalesce(_decided, '{}') loop
      if _task.status = 'running' then
        _room := _room - 1;
        _got.runs := _got.runs || _task.run_id;
        _got.positions := _got.positions || _task.position;
        _got.items := _got.items || -1;
        _got.deliveries := _got.deliveries || _task.delivery;
      elsif _task.kind = 'end' then
        _ends := _ends || _task.run_id;
        _end_positions := _end_positions || _task.position;
        _end_definitions := _end_definitions || _task.definition_id;
      elsif _task.status = 'ready' and _task.kind = 'map' then
        _map_runs := _map_runs || _task.run_id;
        _map_positions := _map_positions || _task.position;
        _map_definitions := _map_definitions || _task.definition_id;
      elsif _task.status = 'ready' then
        if _task.lane <> all(coalesce(_got.queued, '{}')) then
          _got.queued := _got.queued || _task.lane;
        end if;
        if _task.limited and _task.run_id <> all(coalesce(_limited, '{}')) then
          _limited := _limited || _task.run_id;
        end if;
      else
        if _task.kind = 'join' then
          _task.status := goalpost.close_join(_task.run_id, _task.position, _task.definition_id, _task.skip);
        end if;
        if _extras and _task.kind <> 'gate' then
          perform goalpost.emit_task(_task.run_id, _task.position, 'task_' || _task.status, null, null);
        end if;
        _next_runs := _next_runs || _task.run_id;
        _next_positions := _next_positions || _task.position;
        _next_definitions := _next_definitions || _task.definition_id;
        _next_cascades := _next_cascades || (_task.status = 'skipped' and _task.cascades);
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
  if cardinality(_ends) > 8 then
    _got.over := _got.over || goalpost.finish_runs(_ends, _end_positions, _end_definitions);
  else
    for _i in 1..coalesce(cardinality(_ends), 0) loop
      if goalpost.finish_run(_ends[_i], _end_positions[_i], _end_definitions[_i]) then
        _got.over := _got.over || _ends[_i];
      end if;
    end loop;
  end if;
  if _limited is not null then
    perform goalpost.admit(l.id) from unnest(_limited) l(id);
  end if;
  return _got;
end $$;
