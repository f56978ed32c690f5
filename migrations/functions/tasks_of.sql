-- The tasks of a run, however they are stored.
create or replace function goalpost.tasks_of(_run uuid) returns setof goalpost.tasks language sql stable as $$
  select * from goalpost.tasks where run_id = _run
  union all
  select * from goalpost.compact_tasks(_run)
$$;
