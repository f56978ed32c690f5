-- What an exchange answers, as one JSON text:
--   tasks   [[run, position, item, delivery, failures, definition, item input, checkpoints], …] claimed
--   values  [[run, position, output], …] each dependency output once
--   runs    [[run, input, settings, created at, workflow, owner], …] of the claimed tasks, once each
--   refused [[report, status], …] · stale [checkpoint, …] · over [[run, status, output, error], …]
--   dueInMs milliseconds until the next delayed task is due
create or replace function goalpost.reply(_worker uuid, _claimed jsonb, _refused json, _stale json, _over uuid[])
returns text language plpgsql as $$
declare
  _tasks  json;
  _values json;
  _runs   json;
begin
  if _claimed is not null then
    with recursive task as materialized (
      select c.ord, t.* from jsonb_array_elements(_claimed) with ordinality c(v, ord)
      join goalpost.tasks t on t.run_id = (c.v->>0)::uuid and t.position = (c.v->>1)::int and t.item = (c.v->>2)::int
      where t.delivery = (c.v->>3)::int),
    need (run_id, definition_id, position, reason) as (
      select t.run_id, t.definition_id, e.src, e.reason
      from task t join goalpost.edges e on e.definition_id = t.definition_id and e.dst = t.position
      union
      select n.run_id, n.definition_id, e.src, e.reason
      from need n join goalpost.edges e on e.definition_id = n.definition_id and e.dst = n.position
      where n.reason = 'gate')
    select
      (select json_agg(json_build_array(t.run_id, t.position, t.item, t.delivery, t.failures, t.definition_id, t.input,
          case when t.delivery > 1 then (select json_object_agg(p.key, p.value) from goalpost.checkpoints p
            where p.run_id = t.run_id and p.position = t.position and p.item = t.item) end) order by t.ord)
        from task t),
      (select json_agg(json_build_array(d.run_id, d.position, d.output))
        from (select distinct n.run_id, n.position from need n where n.reason <> 'gate') n
        join goalpost.tasks d on d.run_id = n.run_id and d.position = n.position and d.item = -1
        where d.status = 'completed'),
      (select json_agg(json_build_array(r.id, r.input, r.settings, r.created_at, r.workflow, r.owner))
        from (select distinct t.run_id from task t) i join goalpost.runs r on r.id = i.run_id)
    into _tasks, _values, _runs;
  end if;
  return json_build_object('tasks', _tasks, 'values', _values, 'runs', _runs, 'refused', _refused, 'stale', _stale,
    'over', case when cardinality(_over) > 0 then (
      select json_agg(json_build_array(r.id, r.status, case when r.owner = _worker then r.output end, r.error))
      from (select distinct i.id from unnest(_over) i(id)) i join goalpost.runs r on r.id = i.id) end,
    'dueInMs', (select greatest(0, (r.key - extract(epoch from goalpost.now())) * 1000)
      from goalpost.ready r where r.lane = '@' order by r.lane, r.prio, r.key, r.rank limit 1))::text;
end $$;
