-- What an exchange answers, as one JSON text; _handout is the seq of what it hands out, or null:
--   tasks   [[run, position, item, delivery, failures, definition, item input, checkpoints, waits], …] claimed;
--           waits: see answers_of
--   values  [[run, position, output], …] each dependency output once
--   runs    [[run, input, settings if it plans, workflow, source], …] of the claimed tasks, once each
--   refused [[report, status], …] · stale [checkpoint, …] · over [[run, status, output, error, owned], …]
--   dueInMs milliseconds until the next delayed task is due; only if _timers says that it may have changed
create or replace function goalpost.reply(_worker uuid, _handout bigint, _refused json, _stale json, _over uuid[], _timers boolean)
returns text language plpgsql as $$
declare
  _tasks  json;
  _values json;
  _runs   json;
begin
  if _handout is not null then
    with recursive task as materialized (
      select c.ord, t.*
      from (select * from goalpost.handouts where worker = _worker and seq = _handout) h
      cross join lateral goalpost.read_handout(h.run_ids, h.positions, h.items, h.deliveries) c
      cross join lateral (
        select run_id, position, item, delivery, failures, definition_id, input from goalpost.tasks
        where run_id = c.run_id and position = c.position and item = c.item and delivery = c.delivery
          and status = 'running' offset 0) t),
    need (run_id, definition_id, position, reason) as (
      select t.run_id, t.definition_id, e.src, e.reason
      from task t
      cross join lateral (
        select src, reason from goalpost.edges
        where definition_id = t.definition_id and dst = t.position offset 0) e
      union
      select n.run_id, n.definition_id, e.src, e.reason
      from need n
      cross join lateral (
        select src, reason from goalpost.edges
        where definition_id = n.definition_id and dst = n.position offset 0) e
      where n.reason = 'gate')
    select
      (select json_agg(json_build_array(t.run_id, t.position, t.item, t.delivery, t.failures, t.definition_id, t.input,
          case when t.delivery > 1 then (select json_object_agg(p.key, p.value) from goalpost.checkpoints p
            where p.run_id = t.run_id and p.position = t.position and p.item = t.item) end,
          case when t.delivery > 1 then goalpost.answers_of(t.run_id, t.position, t.item) end) order by t.ord)
        from task t),
      (select json_agg(json_build_array(n.run_id, n.position, d.output))
        from (select distinct run_id, position from need where reason <> 'gate') n
        cross join lateral (
          select output from goalpost.tasks
          where run_id = n.run_id and position = n.position and item = -1 and status = 'completed' offset 0) d),
      (select json_agg(json_build_array(i.run_id, r.input,
          case when r.settings is not null and exists (
            select 1 from task t join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
            where t.run_id = i.run_id and s.kind = 'plan') then r.settings end,
          r.workflow, r.source))
        from (select distinct t.run_id from task t) i
        cross join lateral (
          select input, settings, workflow, source from goalpost.runs where id = i.run_id offset 0) r)
    into _tasks, _values, _runs;
  end if;
  return json_build_object('tasks', _tasks, 'values', _values, 'runs', _runs, 'refused', _refused, 'stale', _stale,
    'over', case when cardinality(_over) > 0 then (
      select json_agg(json_build_array(i.run_id, r.status, case when r.owner = _worker then r.output end, r.error,
        coalesce(r.owner = _worker, false)))
      from goalpost.read_ids(_over) i
      cross join lateral (select status, owner, output, error from goalpost.runs where id = i.run_id offset 0) r) end,
    'dueInMs', case when _timers then (
      select greatest(0, (r.key - extract(epoch from goalpost.now())) * 1000)
      from goalpost.ready r where r.lane = '@' order by r.lane, r.prio, r.key, r.rank limit 1) end)::text;
end $$;
