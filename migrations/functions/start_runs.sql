-- Stores runs and makes their first tasks ready. A run that is there already is left alone. First tasks go straight to
-- the worker if there is room and nothing better waits in its lanes (_head).
-- _starts: [[id, definition id or null, workflow, source, execution, lane, prio, owner, parent run, parent position,
--   root run, idempotency key, input hash, max parallel, deadline ms, labels, delay ms, traced, budget, key delay ms], …];
-- _inputs: [input, …]; _plans: null, or for each start null or [settings, shape].
-- A run without a definition id brings its shape and gets a private definition.
create or replace function goalpost.start_runs(
  _starts json, _inputs json, _plans json, _extras boolean, _worker uuid, _lanes text[], _room int,
  _head goalpost.place)
returns goalpost.advanced language plpgsql as $$
declare
  _at         timestamptz := goalpost.now();
  _start      record;
  _v          jsonb;
  _plan       json[];
  _definition bigint;
  _begins_at  timestamptz;
  _run        record;
  _first      record;
  _direct     boolean;
  _got        goalpost.advanced;
begin
  for _start in
    select * from rows from (json_array_elements(_starts), json_array_elements(_inputs), json_array_elements(_plans))
      r(head, input, plan)
  loop
    _v := _start.head;
    _plan := goalpost.json_items(_start.plan);
    _definition := coalesce((_v->>1)::bigint,
      goalpost.add_private_definition((_v->>0)::uuid, _v->>2, _plan[2]));
    _begins_at := _at + make_interval(secs => coalesce((_v->>16)::double precision, 0) / 1000);
    insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, owner,
      parent_run_id, parent_position, root_run_id, idempotency_key, input_hash, max_parallel,
      deadline_at, labels, input, settings, created_at, traced)
    values ((_v->>0)::uuid, _definition, _v->>2, _v->>3, case when _begins_at > _at then 'queued' else 'running' end,
      _v->>4, _v->>5, (_v->>6)::int,
      extract(epoch from _begins_at) + coalesce((_v->>19)::double precision, 0) / 1000, (_v->>7)::uuid, (_v->>8)::uuid, (_v->>9)::int,
      (_v->>10)::uuid, _v->>11, _v->>12, (_v->>13)::int,
      _begins_at + make_interval(secs => (_v->>14)::double precision / 1000), nullif(_v->15, 'null'), _start.input,
      _plan[1], _at, coalesce((_v->>17)::boolean, false))
    on conflict do nothing
    returning id, status, lane, prio, key, deadline_at, max_parallel into _run;
    continue when not found;
    _got.known := _got.known || concat(_run.id, 'tf');
    select array_agg(s.position order by s.rank) as positions, bool_and(s.lane is null) as here into _first
    from goalpost.steps s where s.definition_id = _definition and s.dependencies = 0 and s.kind <> 'map';
    -- Rows are inserted as they will be: tasks that go straight to the worker are running from the beginning.
    _direct := _run.status = 'running' and _run.max_parallel is null and cardinality(_first.positions) <= _room
      and _first.here and _run.lane = any(_lanes) and not goalpost.is_capped(_run.lane)
      and (_head.key is null or (_run.prio, _run.key) < (_head.prio, _head.key));
    insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, worker, delivery, started_at)
    select _run.id, s.position, -1, _definition,
      case when s.dependencies > 0 then 'waiting' when _direct and s.kind <> 'map' then 'running' else 'ready' end,
      s.dependencies,
      case when _direct and s.dependencies = 0 and s.kind <> 'map' then _worker end,
      case when _direct and s.dependencies = 0 and s.kind <> 'map' then 1 else 0 end,
      case when _direct and s.dependencies = 0 and s.kind <> 'map' then _at end
    from goalpost.steps s where s.definition_id = _definition;
    if _direct then
      _room := _room - cardinality(_first.positions);
      _got.runs := _got.runs || array_fill(_run.id, array[cardinality(_first.positions)]);
      _got.positions := _got.positions || _first.positions;
      _got.items := _got.items || array_fill(-1, array[cardinality(_first.positions)]);
      _got.deliveries := _got.deliveries || array_fill(1, array[cardinality(_first.positions)]);
    elsif _run.status = 'running' then
      _got.queued := _got.queued || _run.lane;
      insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
      select case when _run.max_parallel is null then goalpost.lane_of(_run.lane, s.lane) else '#' || _run.id end, _run.prio,
        _run.key, s.rank, _run.id, s.position, -1,
        case when _run.max_parallel is not null then goalpost.lane_of(_run.lane, s.lane) end
      from goalpost.steps s where s.definition_id = _definition and s.dependencies = 0 and s.kind <> 'map';
    end if;
    if _run.deadline_at is not null then
      insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
      values ('@', 0, extract(epoch from _run.deadline_at), 0, _run.id, -1, -1, '!deadline');
    end if;
    if _run.status = 'queued' then
      insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
      values ('@', 0, extract(epoch from _begins_at), 0, _run.id, -1, -1, '!start');
    end if;
  end loop;
  if _extras then
    _got.over := goalpost.start_extras(_starts);
    _got.queued := coalesce(_got.queued, '{}') || (_v->>5);
  end if;
  return _got;
end $$;
