-- Stores runs and makes their first tasks ready. A run that is there already is left alone.
-- _starts: [[id, definition id or null, workflow, source, execution, lane, prio, owner, parent run, parent position,
--   root run, idempotency key, input hash, max parallel, deadline ms, labels], …]; _inputs: [input, …];
-- _plans: null, or for each start null or [settings, shape].
-- A run without a definition id brings its shape and gets a private definition.
create or replace function goalpost.start_runs(_starts json, _inputs json, _plans json) returns void language plpgsql as $$
declare
  _start record;
begin
  for _start in
    select (r.h->>0)::uuid as id, r.h->>2 as name, goalpost.json_items(r.s) as plan
    from rows from (json_array_elements(_starts), json_array_elements(_plans)) r(h, s)
    where r.h->>1 is null
  loop
    perform goalpost.add_private_definition(_start.id, _start.name, _start.plan[2]);
  end loop;

  with start as materialized (
    select r.h::jsonb as v, r.p, goalpost.json_items(r.s) as plan
    from rows from (json_array_elements(_starts), json_array_elements(_inputs),
      json_array_elements(_plans)) r(h, p, s)),
  stored as (
    insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, owner,
      parent_run_id, parent_position, root_run_id, idempotency_key, input_hash, max_parallel,
      deadline_at, labels, input, settings, created_at)
    select (v->>0)::uuid,
      coalesce((v->>1)::bigint, (select d.id from goalpost.definitions d where d.run_id = (v->>0)::uuid)),
      v->>2, v->>3, 'running', v->>4, v->>5, (v->>6)::int,
      extract(epoch from goalpost.now()), (v->>7)::uuid, (v->>8)::uuid, (v->>9)::int, (v->>10)::uuid,
      v->>11, v->>12, (v->>13)::int, goalpost.now() + make_interval(secs => (v->>14)::double precision / 1000),
      nullif(v->15, 'null'), p, plan[1], goalpost.now()
    from start
    on conflict do nothing
    returning id, definition_id, lane, prio, key, deadline_at),
  node as materialized (
    select st.id, st.definition_id, st.prio, st.key, s.position, s.dependencies, s.rank,
      goalpost.lane_of(st.lane, s.lane) as lane
    from stored st
    cross join lateral (
      select position, dependencies, rank, lane from goalpost.steps where definition_id = st.definition_id offset 0) s),
  task as (
    insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left)
    select id, position, -1, definition_id, case when dependencies = 0 then 'ready' else 'waiting' end, dependencies
    from node),
  deadline as (
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
    select '@', 0, extract(epoch from deadline_at), 0, id, -1, -1, '!deadline'
    from stored where deadline_at is not null)
  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
  select lane, prio, key, rank, id, position, -1 from node where dependencies = 0;
end $$;
