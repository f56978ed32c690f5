-- Of the reports that changed nothing: those that were refused, as [[report, the task's status], …], and the runs among
-- them that are over. A report on a task that this hand-out settled before is a repeated one, and not refused.
create or replace function goalpost.refuse_reports(
  _worker uuid, _reports json, _payloads json, _settled bigint[], out refused json, out over uuid[])
language plpgsql as $$
begin
  select json_agg(json_build_array(r.ord - 1, coalesce(t.status, 'lost')))
      filter (where t.run_id is null or t.status = 'cancelled' or t.worker is distinct from _worker
        or t.delivery <> r.delivery),
    array_agg(r.run_id) filter (where u.finished_at is not null)
  into refused, over
  from goalpost.read_reports(_reports, _payloads, null) r
  left join lateral (select finished_at from goalpost.runs where id = r.run_id offset 0) u on true
  left join lateral (
    select run_id, status, worker, delivery from goalpost.tasks
    where run_id = r.run_id and position = r.position and item = r.item offset 0) t on true
  where r.ord <> all(coalesce(_settled, '{}'));
end $$;
