-- Takes a worker's reports. Each is fenced by (worker, delivery): a stale one changes nothing and is refused, a
-- repeated one is acknowledged. over: the runs that are final now, whoever ended them.
-- _reports: [[run, position, item, delivery, outcome, payload, delay ms, shape], …] sorted by run, position, item.
--   completed: payload is the output; shape, if any, is what the run grows by
--   retry:     payload is the error; the task is ready again after the delay
--   failed:    payload is the error; the run fails with it
--   released:  the task was not carried through (its worker stops, or lacks the code): ready again after the delay
create or replace function goalpost.settle(_worker uuid, _reports json, out refused json, out over uuid[])
language plpgsql as $$
declare
  _settled     bigint[];
  _runs        uuid[];
  _positions   int[];
  _definitions bigint[];
  _other       boolean;
  _grown       record;
begin
  with report as (
    select r.ord, (r.v->>0)::uuid as run_id, (r.v->>1)::int as position, (r.v->>2)::int as item,
      (r.v->>3)::int as delivery, r.v->>4 as outcome, r.v->5 as payload
    from json_array_elements(_reports) with ordinality r(v, ord)),
  settled as (
    update goalpost.tasks t set
      status = case when r.outcome in ('completed', 'failed') then r.outcome else 'ready' end,
      output = case when r.outcome = 'completed' then r.payload end,
      error = case when r.outcome = 'failed' then r.payload end,
      failures = t.failures + case when r.outcome in ('retry', 'failed') then 1 else 0 end,
      finished_at = case when r.outcome in ('completed', 'failed') then goalpost.now() end
    from report r
    where t.run_id = r.run_id and t.position = r.position and t.item = r.item
      and t.status = 'running' and t.worker = _worker and t.delivery = r.delivery
    returning r.ord, r.outcome, t.run_id, t.position, t.definition_id)
  select array_agg(ord), array_agg(run_id) filter (where outcome = 'completed'),
    array_agg(position) filter (where outcome = 'completed'),
    array_agg(definition_id) filter (where outcome = 'completed'),
    coalesce(bool_or(outcome <> 'completed'), false)
  into _settled, _runs, _positions, _definitions, _other from settled;

  for _grown in
    select (r.v->>0)::uuid as run_id, r.v->7 as shape
    from json_array_elements(_reports) with ordinality r(v, ord)
    where r.v->>7 is not null and r.ord = any(_settled)
  loop
    perform goalpost.extend_run(_grown.run_id, (select definition_id from goalpost.runs where id = _grown.run_id),
      _grown.shape);
  end loop;

  over := goalpost.advance(_runs, _positions, _definitions);
  if _other then
    over := over || goalpost.settle_failures(_worker, _reports, _settled);
  end if;

  if json_array_length(_reports) > coalesce(cardinality(_settled), 0) then
    select json_agg(json_build_array(r.ord - 1, coalesce(t.status, 'lost')))
        filter (where t.run_id is null or t.status = 'cancelled' or t.worker is distinct from _worker
          or t.delivery <> (r.v->>3)::int),
      over || coalesce(array_agg(u.id) filter (where u.finished_at is not null), '{}')
    into refused, over
    from json_array_elements(_reports) with ordinality r(v, ord)
    left join goalpost.runs u on u.id = (r.v->>0)::uuid
    left join goalpost.tasks t on t.run_id = (r.v->>0)::uuid and t.position = (r.v->>1)::int
      and t.item = (r.v->>2)::int
    where r.ord <> all(coalesce(_settled, '{}'));
  end if;
end $$;
