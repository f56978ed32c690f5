-- Removes runs with everything that is theirs, children before parents; the caller has made sure that they are final.
-- What their calls cost stays in the ledger.
-- Their rows in ready are hints: prune_rest takes out what is left of them. Returns how many tasks went, items included.
create or replace function goalpost.forget_runs(_runs uuid[]) returns int language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _definitions bigint[] := array(select d.id from goalpost.definitions d where d.run_id = any(_runs));
  _count       int;
begin
  delete from goalpost.events where run_id = any(_runs);
  delete from goalpost.event_counters where run_id = any(_runs);
  delete from goalpost.waits where run_id = any(_runs);
  delete from goalpost.signals where run_id = any(_runs);
  delete from goalpost.checkpoints where run_id = any(_runs);
  delete from goalpost.progress where run_id = any(_runs);
  delete from goalpost.attempts where run_id = any(_runs);
  delete from goalpost.plan_versions where run_id = any(_runs);
  delete from goalpost.decisions where run_id = any(_runs);
  delete from goalpost.tasks where run_id = any(_runs);
  get diagnostics _count = row_count;
  _count := _count + goalpost.count_compact_tasks(_runs);
  delete from goalpost.budget_pauses where run_id = any(_runs);
  delete from goalpost.budgets b using unnest(_runs) r(id), (values ('run'), ('tree')) s(scope)
  where b.scope = s.scope and b.key = r.id::text;
  delete from goalpost.runs where id = any(_runs);
  perform goalpost.forget_definitions(_definitions);
  return _count;
end $$;
