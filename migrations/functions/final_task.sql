-- Whether a task is final, and whether those that need it are skipped by that: see count_down. One whose failure ends its
-- run, or has it planned again, counts for nobody: in the statement that settles it together with a plan that leads on
-- from it, the run would complete before it could fail.
create or replace function goalpost.final_task(_run uuid, _definition bigint, _position int)
returns table (final boolean, cascades boolean) language plpgsql volatile rows 1 as $$
begin
  return query
  select t.finished_at is not null and (t.status <> 'failed' or s.on_exhausted <> 'fail'),
    t.status = 'skipped' and s.on_skip = 'cascade' or t.status = 'failed' and s.on_exhausted = 'cascade'
  from (
    select finished_at, status from goalpost.tasks where run_id = _run and position = _position and item = -1 offset 0) t
  cross join lateral (
    select on_skip, on_exhausted from goalpost.steps
    where definition_id = _definition and position = _position offset 0) s;
end $$;
