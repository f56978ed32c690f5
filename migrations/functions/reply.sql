-- What an exchange answers, as one JSON text; _handout is the seq of what it hands out, or null:
--   tasks   [[run, position, item, delivery, failures, definition, item input, checkpoints, waits], …]
--           claimed; waits: see answers_of
--   values  [[run, position, output], …] each dependency output once
--   runs    [[run, input, settings, workflow, source, extras], …] of the claimed tasks; the input only if a task reads
--           it (items of maps over it do without), the settings only if one plans; more than once if tasks differ there
--           _known: keys (see below) of values and runs that the worker has told in this very call
--   refused [[report, status], …] · stale [checkpoint, …] · over [[run, status, output, error, owned, billed], …]
--   fleet   what goalpost.beat returned, if the call carried a beat
--   dueInMs milliseconds until the next delayed task is due; only if _timers says that it may have changed
create or replace function goalpost.reply(_worker uuid, _handout bigint, _refused json, _stale json, _over uuid[], _timers boolean,
  _fleet json, _known text[])
returns text language plpgsql as $$
declare
  _held   record;
  _task   record;
  _step   record;
  _input  int;
  _key    text;
  _seen   text[] := coalesce(_known, '{}');
  _tasks  text[];
  _values text[];
  _runs   text[];
  _ended  json;
  _due    double precision;
begin
  if _handout is not null then
    if (select cardinality(run_ids) > 8 from goalpost.handouts where worker = _worker and seq = _handout) then
      with task as materialized (
        select c.ord, t.*, s.kind, s.inputs, s.kind <> 'map' or s.map_over is not null or s.map_items is not null as reads
        from (select * from goalpost.handouts where worker = _worker and seq = _handout) h
        cross join lateral goalpost.read_handout(h.run_ids, h.positions, h.items, h.deliveries) c
        cross join lateral (
          select run_id, position, item, delivery, failures, definition_id, input from goalpost.tasks
          where run_id = c.run_id and position = c.position and item = c.item and delivery = c.delivery
            and status = 'running' offset 0) t
        cross join lateral (
          select kind, inputs, map_over, map_items from goalpost.steps
          where definition_id = t.definition_id and position = t.position offset 0) s)
      select
        (select array_agg(goalpost.task_text(t.run_id, t.position, t.item, t.delivery, t.failures, t.definition_id, t.input)
          order by t.ord) from task t),
        (select array_agg(concat('["', n.run_id, '",', n.position, ',', d.output, ']'))
          from (select distinct t.run_id, i.position from task t cross join lateral unnest(t.inputs) i(position)
            where concat(t.run_id, i.position) not in (select unnest(_seen))) n
          cross join lateral (
            select output from goalpost.tasks
            where run_id = n.run_id and position = n.position and item = -1 and status = 'completed' offset 0) d),
        (select array_agg(goalpost.run_text(n.run_id, n.reads, n.plans))
          from (select distinct t.run_id, t.reads, t.kind = 'plan' as plans from task t
            where concat(t.run_id, t.reads, t.kind = 'plan') not in (select unnest(_seen))) n)
      into _tasks, _values, _runs;
    else
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
        _tasks := _tasks || goalpost.task_text(_task.run_id, _task.position, _task.item, _task.delivery,
          _task.failures, _task.definition_id, _task.input);

        _key := concat(_task.run_id, _step.reads, _step.kind = 'plan');
        if _key <> all(_seen) then
          _seen := _seen || _key;
          _runs := _runs || goalpost.run_text(_task.run_id, _step.reads, _step.kind = 'plan');
        end if;
        -- "not in" hashes what was told; to compare each with all of it takes seconds for ten thousand inputs.
        if cardinality(_step.inputs) > 8 then
          select _seen || array_agg(concat(_task.run_id, n.position)),
            _values || array_agg(concat('["', _task.run_id, '",', n.position, ',', n.output, ']'))
          into _seen, _values
          from (select i.position, d.output from unnest(_step.inputs) i(position)
            cross join lateral (
              select output from goalpost.tasks
              where run_id = _task.run_id and position = i.position and item = -1 and status = 'completed' offset 0) d
            where concat(_task.run_id, i.position) not in (select unnest(_seen))) n;
        else
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
        end if;
      end loop;
    end if;
  end if;
  if _over is not null then
    select json_agg(json_build_array(i.run_id, r.status, case when r.owner = _worker then r.output end, r.error,
      coalesce(r.owner = _worker, false), r.billed)) into _ended
    from goalpost.read_ids(_over) i
    cross join lateral (select status, owner, output, error, billed from goalpost.runs where id = i.run_id offset 0) r;
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
