-- Notes what the reports with these ordinals say of traced runs. Items are noted only when they fail: their map has
-- events of its own. Hidden nodes have none.
create or replace function goalpost.trace_reports(_reports json, _payloads json, _settled bigint[])
returns void language plpgsql as $$
begin
  insert into goalpost.outbox (transaction, run_id, type, position, item, attempt, data)
  select pg_current_xact_id(), e.* from (
    select r.run_id, case r.outcome when 'retry' then 'task_retry' else 'task_' || r.outcome end, r.position,
      case when r.item >= 0 then r.item end,
      case when r.outcome <> 'skipped' and r.number <> 1 or r.outcome = 'retry'
        then t.failures + case when r.outcome = 'completed' then 1 else 0 end end,
      case r.outcome when 'failed' then json_build_object('error', r.payload)
        when 'retry' then json_build_object('error', r.payload, 'delayMs', r.number) end
    from goalpost.read_reports(_reports, _payloads, null) r
    cross join lateral (select definition_id from goalpost.runs where id = r.run_id and traced offset 0) u
    cross join lateral (
      select kind from goalpost.steps
      where definition_id = u.definition_id and position = r.position and kind in ('step', 'map') offset 0) s
    cross join lateral (
      select failures from goalpost.tasks
      where run_id = r.run_id and position = r.position and item = r.item offset 0) t
    where r.ord = any(_settled) and (r.outcome in ('failed', 'retry') or (r.outcome in ('completed', 'skipped') and r.item < 0))
    order by r.ord) e;
end $$;
