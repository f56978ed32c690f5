-- What pruned runs leave behind, and what nobody will ask for again: hints about runs that are final or gone, private
-- definitions whose run was never stored, budgets of requests, which models were chosen for them, plans for recall, and instances that
-- ended before _before. Returns how many instances went.
-- Looks at every row of ready, but at each run by its key.
create or replace function goalpost.prune_rest(_before timestamptz) returns int language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _definitions bigint[];
  _count       int;
begin
  delete from goalpost.ready where ctid = any(array(
    select q.ctid from goalpost.ready q
    where not exists (select 1 from goalpost.runs r where r.id = q.run_id and r.finished_at is null)
    for update skip locked));
  _definitions := array(
    select d.id from goalpost.definitions d where d.run_id is not null and d.created_at < _before
      and not exists (select 1 from goalpost.runs r where r.id = d.run_id));
  perform goalpost.forget_definitions(_definitions);
  delete from goalpost.budgets where scope = 'request' and changed_at < _before;
  delete from goalpost.llm_choices where chosen_at < _before;
  -- They hold the texts of goals.
  delete from goalpost.plan_memory where last_at < _before;
  delete from goalpost.plan_vectors v
  where not exists (select 1 from goalpost.plan_memory m where m.content_hash = v.content_hash);
  perform goalpost.prune_mail(_before);
  delete from goalpost.floors where until < extract(epoch from _before);
  delete from goalpost.instances where status <> 'online' and heartbeat_at < _before;
  get diagnostics _count = row_count;
  return _count;
end $$;
