-- Stores runs and makes their first tasks ready. A run that is there already is left alone. First tasks go straight to
-- the worker if they fit into its room and nothing better waits in its lanes.
-- _starts: [[id, definition id or null, workflow, source, execution, lane, prio, owner, parent run, parent position,
--   root run, idempotency key, input hash, max parallel, deadline ms, labels, delay ms, traced], …];
-- _inputs: [input, …]; _plans: null, or for each start null or [settings, shape].
-- A run without a definition id brings its shape and gets a private definition.
create or replace function goalpost.start_runs(
  _starts json, _inputs json, _plans json, _extras boolean, _worker uuid, _lanes text[], _room int,
  _head goalpost.place)
returns goalpost.advanced language plpgsql as $$
declare
  _at    timestamptz := goalpost.now();
  _start record;
  _got   goalpost.advanced;
begin
  if _plans is not null then
    for _start in
      select (r.h->>0)::uuid as id, r.h->>2 as name, goalpost.json_items(r.s) as plan
      from rows from (json_array_elements(_starts), json_array_elements(_plans)) r(h, s)
      where r.h->>1 is null
    loop
      perform goalpost.add_private_definition(_start.id, _start.name, _start.plan[2]);
    end loop;
  end if;

  with start as materialized (
    select r.h::jsonb as v, r.p, goalpost.json_items(r.s) as plan,
      _at + make_interval(secs => coalesce((r.h->>16)::double precision, 0) / 1000) as begins_at
    from rows from (json_array_elements(_starts), json_array_elements(_inputs),
      json_array_elements(_plans)) r(h, p, s)),
  stored as (
    insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, owner,
      parent_run_id, parent_position, root_run_id, idempotency_key, input_hash, max_parallel,
      deadline_at, labels, input, settings, created_at, traced)
    select (v->>0)::uuid,
      coalesce((v->>1)::bigint, (select d.id from goalpost.definitions d where d.run_id = (v->>0)::uuid)),
      v->>2, v->>3, case when begins_at > _at then 'queued' else 'running' end, v->>4, v->>5, (v->>6)::int,
      extract(epoch from begins_at), (v->>7)::uuid, (v->>8)::uuid, (v->>9)::int, (v->>10)::uuid,
      v->>11, v->>12, (v->>13)::int, begins_at + make_interval(secs => (v->>14)::double precision / 1000),
      nullif(v->15, 'null'), p, plan[1], _at, coalesce((v->>17)::boolean, false)
    from start
    on conflict do nothing
    returning id, definition_id, status, lane, prio, key, deadline_at, max_parallel),
  node as materialized (
    select st.id, st.definition_id, st.status, st.prio, st.key, st.max_parallel, s.position, s.kind, s.dependencies,
      s.rank, coalesce(s.lane, st.lane) as lane, s.dependencies = 0 and s.kind <> 'map' and st.status = 'running' as first
    from stored st
    cross join lateral (
      select position, kind, dependencies, rank, lane from goalpost.steps
      where definition_id = st.definition_id offset 0) s),
  placed as materialized (
    select n.*, n.first and n.max_parallel is null and n.lane = any(_lanes)
      and (select count(*) from node f where f.first) <= _room
      and (_head.key is null or (n.prio, n.key, n.rank) <= (_head.prio, _head.key, _head.rank)) as direct
    from node n),
  task as (
    insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, worker, delivery, started_at)
    select id, position, -1, definition_id,
      case when direct then 'running' when dependencies = 0 then 'ready' else 'waiting' end, dependencies,
      case when direct then _worker end, case when direct then 1 else 0 end, case when direct then _at end
    from placed
    returning run_id, position, status),
  timer as (
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
    select '@', 0, extract(epoch from deadline_at), 0, id, -1, -1, '!deadline'
    from stored where deadline_at is not null
    union all
    select '@', 0, key, 0, id, -1, -1, '!start' from stored where status = 'queued'),
  queued as (
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
    select case when max_parallel is null then lane else '#' || id end, prio, key, rank, id, position, -1,
      case when max_parallel is not null then lane end
    from placed where first and not direct)
  select array_agg(t.run_id), array_agg(t.position), array_agg(-1), array_agg(1)
  into _got.runs, _got.positions, _got.items, _got.deliveries
  from task t where t.status = 'running';

  if _extras then
    _got.over := goalpost.start_extras(_starts);
  end if;
  return _got;
end $$;
