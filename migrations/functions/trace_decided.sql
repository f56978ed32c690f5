-- Notes what became of tasks of traced runs that advance() decided: those that were skipped, and compound tasks that
-- completed. (Maps are noted where they are expanded and closed.)
create or replace function goalpost.trace_decided(_decided goalpost.decided[]) returns void language plpgsql as $$
begin
  insert into goalpost.outbox (transaction, run_id, type, position)
  select pg_current_xact_id(), d.run_id, 'task_' || d.status, d.position
  from unnest(_decided) d
  cross join lateral (select 1 from goalpost.runs where id = d.run_id and traced offset 0) u
  where (d.status = 'skipped' and d.kind in ('step', 'map', 'join')) or (d.status = 'completed' and d.kind = 'join');
end $$;
