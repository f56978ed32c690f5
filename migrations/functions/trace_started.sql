-- Notes that the functions of tasks have begun: once for each attempt, however often its task was handed out.
create or replace function goalpost.trace_started(_worker uuid, _marks json) returns void language plpgsql as $$
begin
  insert into goalpost.outbox (transaction, run_id, type, position, attempt)
  select pg_current_xact_id(), r.run_id, 'task_started', r.position, t.failures + 1
  from goalpost.read_reports(_marks, null, null) r
  cross join lateral (
    select failures from goalpost.tasks
    where run_id = r.run_id and position = r.position and item = r.item
      and status = 'running' and worker = _worker and delivery = r.delivery offset 0) t
  cross join lateral (select 1 from goalpost.runs where id = r.run_id and traced offset 0) u
  where r.number = 1 and (r.delivery = 1 or not exists (
    select 1 from goalpost.events e where e.run_id = r.run_id and e.type = 'task_started' and e.position = r.position
      and e.attempt = t.failures + 1))
  order by r.ord;
end $$;
