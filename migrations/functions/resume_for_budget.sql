-- Lets a run go on that the budget paused; false if it is not paused any more. A call that pauses it again waits.
create or replace function goalpost.resume_for_budget(_budget bigint, _run uuid) returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  perform 1 from goalpost.budgets b where b.id = _budget for update;
  delete from goalpost.budget_pauses p where p.budget_id = _budget and p.run_id = _run;
  return found and goalpost.resume_run(_run);
end $$;
