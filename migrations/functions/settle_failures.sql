-- The part of settling that keeps history and sends tasks round again. fatal: the reports that end their runs; the
-- tasks in runs, positions, definitions have failed for good and their runs go on, cascades says how.
create or replace function goalpost.settle_failures(
  _worker uuid, _reports json, _payloads json, _settled bigint[],
  out fatal bigint[], out runs uuid[], out positions int[], out definitions bigint[], out cascades boolean[])
language plpgsql as $$
declare
  _item record;
begin
  insert into goalpost.attempts (run_id, position, item, delivery, outcome, error, worker, started_at, finished_at)
  select r.run_id, r.position, r.item, r.delivery, 'failed', r.payload, _worker, t.started_at, goalpost.now()
  from goalpost.read_reports(_reports, _payloads, null) r
  cross join lateral (
    select started_at from goalpost.tasks
    where run_id = r.run_id and position = r.position and item = r.item offset 0) t
  where r.ord = any(_settled) and (r.outcome = 'retry' or (r.outcome = 'failed' and r.number = 0));

  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select '@', 0, extract(epoch from goalpost.now()) + r.number / 1000, s.rank, r.run_id, r.position, r.item,
    goalpost.lane_of(u.lane, s.lane)
  from goalpost.read_reports(_reports, _payloads, null) r
  cross join lateral (select definition_id, lane from goalpost.runs where id = r.run_id offset 0) u
  cross join lateral (
    select rank, lane from goalpost.steps
    where definition_id = u.definition_id and position = r.position offset 0) s
  where r.ord = any(_settled) and r.outcome in ('retry', 'released');

  select array_agg(f.ord) filter (where f.policy = 'fail'),
    array_agg(f.run_id) filter (where f.policy <> 'fail' and f.item < 0),
    array_agg(f.position) filter (where f.policy <> 'fail' and f.item < 0),
    array_agg(f.definition_id) filter (where f.policy <> 'fail' and f.item < 0),
    array_agg(f.policy = 'cascade') filter (where f.policy <> 'fail' and f.item < 0)
  into fatal, runs, positions, definitions, cascades
  from (
    select r.ord, r.run_id, r.position, r.item, u.definition_id, s.on_exhausted as policy
    from goalpost.read_reports(_reports, _payloads, null) r
    cross join lateral (select definition_id from goalpost.runs where id = r.run_id offset 0) u
    cross join lateral (
      select on_exhausted from goalpost.steps
      where definition_id = u.definition_id and position = r.position offset 0) s
    where r.ord = any(_settled) and r.outcome = 'failed') f;

  -- An item that failed for good is the end of its map.
  for _item in
    select r.run_id, r.position, u.definition_id, s.on_exhausted, r.payload as error
    from goalpost.read_reports(_reports, _payloads, null) r
    cross join lateral (select definition_id from goalpost.runs where id = r.run_id offset 0) u
    cross join lateral (
      select on_exhausted from goalpost.steps
      where definition_id = u.definition_id and position = r.position offset 0) s
    where r.ord = any(_settled) and r.outcome = 'failed' and r.item >= 0 and s.on_exhausted <> 'fail'
    order by r.run_id, r.position, r.item
  loop
    update goalpost.tasks set status = 'failed', error = _item.error, finished_at = goalpost.now()
    where run_id = _item.run_id and position = _item.position and item = -1 and status = 'waiting';
    if found then
      update goalpost.tasks set status = 'cancelled', finished_at = goalpost.now()
      where run_id = _item.run_id and position = _item.position and item >= 0
        and status in ('waiting', 'ready', 'running', 'suspended');
      perform goalpost.emit_task(_item.run_id, _item.position, 'task_failed', 1, json_build_object('error', _item.error));
      runs := runs || _item.run_id;
      positions := positions || _item.position;
      definitions := definitions || _item.definition_id;
      cascades := cascades || (_item.on_exhausted = 'cascade');
    end if;
  end loop;
end $$;
