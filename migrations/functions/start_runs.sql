-- Stores runs and makes their first tasks ready. A run that is there already is left alone.
-- _starts: [[id, definition id or null, workflow, source, execution, lane, prio, owner, parent run, parent position,
--   root run, retry of, idempotency key, input hash, max parallel, deadline ms, labels, input, settings, shape], …]
-- A run without a definition id brings its shape and gets a private definition.
create or replace function goalpost.start_runs(_starts json) returns void language plpgsql as $$
declare
  _ids   uuid[];
  _start record;
begin
  with start as (select s.value as v from json_array_elements(_starts) s(value)),
  stored as (
    insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, owner,
      parent_run_id, parent_position, root_run_id, retry_of, idempotency_key, input_hash, max_parallel,
      deadline_at, labels, input, settings, created_at)
    select (v->>0)::uuid, coalesce((v->>1)::bigint, 0), v->>2, v->>3, 'running', v->>4, v->>5, (v->>6)::int,
      extract(epoch from goalpost.now()), (v->>7)::uuid, (v->>8)::uuid, (v->>9)::int, (v->>10)::uuid,
      (v->>11)::uuid, v->>12, v->>13, (v->>14)::int,
      goalpost.now() + make_interval(secs => (v->>15)::double precision / 1000), nullif(v->>16, 'null')::jsonb,
      v->17, v->18, goalpost.now()
    from start
    on conflict do nothing
    returning id, deadline_at)
  select array_agg(id) into _ids from stored;
  if _ids is null then
    return;
  end if;

  for _start in
    select (s.value->>0)::uuid as id, s.value->>2 as name, s.value->19 as shape
    from json_array_elements(_starts) s(value)
    where s.value->>1 is null and (s.value->>0)::uuid = any(_ids)
  loop
    perform goalpost.add_private_definition(_start.id, _start.name, _start.shape);
  end loop;

  with task as (
    insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left)
    select r.id, s.position, -1, r.definition_id, case when s.dependencies = 0 then 'ready' else 'waiting' end,
      s.dependencies
    from unnest(_ids) i(id) join goalpost.runs r on r.id = i.id
    join goalpost.steps s on s.definition_id = r.definition_id
    returning run_id, position, definition_id, status)
  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
  select coalesce(s.lane, r.lane), r.prio, r.key, s.rank, t.run_id, t.position, -1
  from task t join goalpost.runs r on r.id = t.run_id
  join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  where t.status = 'ready';

  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select '@', 0, extract(epoch from r.deadline_at), 0, r.id, -1, -1, '!deadline'
  from unnest(_ids) i(id) join goalpost.runs r on r.id = i.id where r.deadline_at is not null;
end $$;
