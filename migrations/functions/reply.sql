-- What an exchange answers, as one JSON text; _handout is the seq of what it hands out, or null:
--   tasks   [[run, position, item, delivery, failures, definition, item input, checkpoints, waits], …]
--           claimed; waits: see answers_of
--   values  [[run, position, output], …] each dependency output once
--   runs    [[run, input, settings, workflow, source, extras], …] of the claimed tasks; the input only if a task reads
--           it (items of maps over it do without), the settings only if one plans; more than once if tasks differ there
--   refused [[report, status], …] · stale [checkpoint, …] · over [[run, status, output, error, owned], …]
--   fleet   what goalpost.beat returned, if the call carried a beat
--   dueInMs milliseconds until the next delayed task is due; only if _timers says that it may have changed
create or replace function goalpost.reply(_worker uuid, _handout bigint, _refused json, _stale json, _over uuid[], _timers boolean,
  _fleet json)
returns text language plpgsql as $$
declare
  _held   record;
  _task   record;
  _step   record;
  _input  int;
  _key    text;
  _seen   text[] := '{}';
  _tasks  text[];
  _values text[];
  _runs   text[];
  _ended  json;
  _due    double precision;
begin
  if _handout is not null then
    select run_ids, positions, items, deliveries into _held
    from goalpost.handouts where worker = _worker and seq = _handout;
    for _i in 1..coalesce(cardinality(_held.run_ids), 0) loop
      select t.run_id, t.position, t.item, t.delivery, t.failures, t.definition_id, t.input into _task
      from goalpost.tasks t
      where t.run_id = _held.run_ids[_i] and t.position = _held.positions[_i] and t.item = _held.items[_i]
        and t.delivery = _held.deliveries[_i] and t.status = 'running';
      continue when not found;
      select s.kind, s.inputs, s.kind <> 'map' or s.map_over is not null or s.map_items is not null as reads into _step
      from goalpost.steps s where s.definition_id = _task.definition_id and s.position = _task.position;
      _tasks := _tasks || concat('["', _task.run_id, '",', _task.position, ',', _task.item, ',', _task.delivery, ',',
        _task.failures, ',', _task.definition_id, ',', coalesce(_task.input, 'null'), ',',
        case when _task.delivery > 1 then coalesce(
          (select json_object_agg(p.key, p.value) from goalpost.checkpoints p
            where p.run_id = _task.run_id and p.position = _task.position and p.item = _task.item), 'null')
          else 'null' end, ',',
        case when _task.delivery > 1
          then coalesce(goalpost.answers_of(_task.run_id, _task.position, _task.item)::text, 'null') else 'null' end, ']');

      _key := concat(_task.run_id, _step.reads, _step.kind = 'plan');
      if _key <> all(_seen) then
        _seen := _seen || _key;
        _runs := _runs || (
          select concat('["', r.id, '",', case when _step.reads then r.input else 'null' end, ',',
            case when _step.kind = 'plan' then coalesce(r.settings, 'null') else 'null' end, ',', to_json(r.workflow),
            ',"', r.source, '",', to_json(r.traced or r.max_parallel is not null), ']')
          from goalpost.runs r where r.id = _task.run_id);
      end if;
      foreach _input in array _step.inputs loop
        _key := concat(_task.run_id, _input);
        if _key <> all(_seen) then
          _seen := _seen || _key;
          _values := _values || (
            select concat('["', t.run_id, '",', t.position, ',', t.output, ']')
            from goalpost.tasks t
            where t.run_id = _task.run_id and t.position = _input and t.item = -1 and t.status = 'completed');
        end if;
      end loop;
    end loop;
  end if;
  if _over is not null then
    select json_agg(json_build_array(i.run_id, r.status, case when r.owner = _worker then r.output end, r.error,
      coalesce(r.owner = _worker, false))) into _ended
    from goalpost.read_ids(_over) i
    cross join lateral (select status, owner, output, error from goalpost.runs where id = i.run_id offset 0) r;
  end if;
  if _timers then
    select greatest(0, (r.key - extract(epoch from goalpost.now())) * 1000) into _due
    from goalpost.ready r where r.lane = '@' order by r.lane, r.prio, r.key, r.rank limit 1;
  end if;
  return concat('{"tasks":[', array_to_string(_tasks, ','), '],"values":[', array_to_string(_values, ','),
    '],"runs":[', array_to_string(_runs, ','), '],"refused":', coalesce(_refused, '[]'), ',"stale":',
    coalesce(_stale, '[]'), ',"over":', coalesce(_ended, '[]'), ',"fleet":',
    coalesce(_fleet, 'null'), ',"dueInMs":', coalesce(_due::text, 'null'), '}');
end $$;
