-- The part of settling that keeps history and sends tasks round again; returns the runs that failed.
create or replace function goalpost.settle_failures(_worker uuid, _reports json, _payloads json, _settled bigint[])
returns uuid[] language plpgsql as $$
declare
  _failed record;
  _over   uuid[] := '{}';
begin
  insert into goalpost.attempts (run_id, position, item, delivery, outcome, error, worker, started_at, finished_at)
  select r.run_id, r.position, r.item, r.delivery, 'failed', r.payload, _worker, t.started_at, goalpost.now()
  from goalpost.read_reports(_reports, _payloads, null) r
  cross join lateral (
    select started_at from goalpost.tasks
    where run_id = r.run_id and position = r.position and item = r.item offset 0) t
  where r.ord = any(_settled) and r.outcome in ('retry', 'failed');

  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select '@', 0, extract(epoch from goalpost.now()) + r.delay_ms / 1000, s.rank, r.run_id, r.position, r.item,
    goalpost.lane_of(u.lane, s.lane)
  from goalpost.read_reports(_reports, _payloads, null) r
  cross join lateral (select definition_id, lane from goalpost.runs where id = r.run_id offset 0) u
  cross join lateral (
    select rank, lane from goalpost.steps
    where definition_id = u.definition_id and position = r.position offset 0) s
  where r.ord = any(_settled) and r.outcome in ('retry', 'released');

  for _failed in
    select distinct on (r.run_id) r.run_id, r.payload as error
    from goalpost.read_reports(_reports, _payloads, null) r
    where r.ord = any(_settled) and r.outcome = 'failed' order by r.run_id, r.ord
  loop
    if goalpost.stop_run(_failed.run_id, 'failed', _failed.error) then
      _over := _over || _failed.run_id;
    end if;
  end loop;
  return _over;
end $$;
