-- Takes a worker's reports. Each is fenced by (worker, delivery): a stale one changes nothing and is refused, a
-- repeated one is acknowledged. over: the runs that are final now, whoever ended them.
-- _reports: see read_reports; sorted by run, position, item. The word is the outcome, the number a delay:
--   completed: payload is the output; shape, if any, is what the run grows by
--   retry:     payload is the error; the task is ready again after the delay
--   failed:    payload is the error; the run fails with it
--   released:  the task was not carried through (its worker stops, or lacks the code): ready again after the delay
--   suspended: payload is what the task waits for: see suspend_tasks
create or replace function goalpost.settle(
  _worker uuid, _reports json, _payloads json, _shapes json, out refused json, out over uuid[])
language plpgsql as $$
declare
  _at timestamptz := goalpost.now();
  _settled     bigint[];
  _runs        uuid[];
  _positions   int[];
  _definitions bigint[];
  _other       boolean;
  _suspends    boolean;
  _grows       boolean;
  _grown       record;
begin
  with report as materialized (
    select r.*, 'running' as was, _worker as worker from goalpost.read_reports(_reports, _payloads, _shapes) r),
  settled as (
    update goalpost.tasks t set
      status = case when r.outcome in ('completed', 'failed', 'suspended') then r.outcome else 'ready' end,
      output = case when r.outcome = 'completed' then r.payload end,
      error = case when r.outcome = 'failed' then r.payload end,
      failures = t.failures + case when r.outcome in ('retry', 'failed') then 1 else 0 end,
      finished_at = case when r.outcome in ('completed', 'failed') then _at end
    from report r
    where t.run_id = r.run_id and t.position = r.position and t.item = r.item
      and t.status = r.was and t.worker = r.worker and t.delivery = r.delivery
    returning r.ord, r.outcome, t.run_id, t.position, t.definition_id, r.shape is not null as grows)
  select array_agg(ord), array_agg(run_id) filter (where outcome = 'completed'),
    array_agg(position) filter (where outcome = 'completed'),
    array_agg(definition_id) filter (where outcome = 'completed'),
    coalesce(bool_or(outcome not in ('completed', 'suspended')), false), coalesce(bool_or(outcome = 'suspended'), false),
    coalesce(bool_or(grows), false)
  into _settled, _runs, _positions, _definitions, _other, _suspends, _grows from settled;

  if _grows then
    for _grown in
      select r.run_id, r.shape, u.definition_id
      from goalpost.read_reports(_reports, _payloads, _shapes) r
      cross join lateral (select definition_id from goalpost.runs where id = r.run_id offset 0) u
      where r.shape is not null and r.ord = any(_settled)
    loop
      perform goalpost.extend_run(_grown.run_id, _grown.definition_id, _grown.shape);
    end loop;
  end if;

  over := goalpost.advance(_runs, _positions, _definitions);
  if _other then
    over := over || goalpost.settle_failures(_worker, _reports, _payloads, _settled);
  end if;
  if _suspends then
    perform goalpost.suspend_tasks(_reports, _payloads, _settled);
  end if;

  if json_array_length(_reports) > coalesce(cardinality(_settled), 0) then
    select json_agg(json_build_array(r.ord - 1, coalesce(t.status, 'lost')))
        filter (where t.run_id is null or t.status = 'cancelled' or t.worker is distinct from _worker
          or t.delivery <> r.delivery),
      over || coalesce(array_agg(r.run_id) filter (where u.finished_at is not null), '{}')
    into refused, over
    from goalpost.read_reports(_reports, _payloads, _shapes) r
    left join lateral (select finished_at from goalpost.runs where id = r.run_id offset 0) u on true
    left join lateral (
      select run_id, status, worker, delivery from goalpost.tasks
      where run_id = r.run_id and position = r.position and item = r.item offset 0) t on true
    where r.ord <> all(coalesce(_settled, '{}'));
  end if;
end $$;
