-- The rarer parts of starting runs: maps over the run's input are expanded, and of a run with a limit as much is let
-- into its lane as it allows, and budgets are noted: [scope, nano-USD, tokens, calls, on exceed], null for no limit. Returns the runs that are over by that. _starts: see start_runs.
create or replace function goalpost.start_extras(_starts json) returns uuid[] language plpgsql as $$
declare
  _run  record;
  _over uuid[];
begin
  for _run in
    select r.id, r.max_parallel, r.traced, r.status, e.h->18 as budget
    from json_array_elements(_starts) e(h)
    cross join lateral (
      select id, max_parallel, traced, status from goalpost.runs
      where id = (e.h->>0)::uuid and status in ('queued', 'running') offset 0) r
    order by r.id
  loop
    if json_typeof(_run.budget) = 'array' then
      -- A run that was there before has its own.
      insert into goalpost.budgets (scope, key, limit_nano_usd, limit_tokens, limit_calls, on_exceed, changed_at)
      values (_run.budget->>0, _run.id, (_run.budget->>1)::bigint, (_run.budget->>2)::bigint, (_run.budget->>3)::bigint,
        _run.budget->>4, goalpost.now())
      on conflict do nothing;
    end if;
    if _run.traced then
      -- A run that was there before has a counter.
      insert into goalpost.event_counters (run_id, seq) values (_run.id, 0) on conflict do nothing;
      if found and _run.status = 'running' then
        perform goalpost.emit(_run.id, 'workflow_started', null);
      end if;
    end if;
    continue when _run.status = 'queued';
    _over := _over || goalpost.begin_run(_run.id);
    if _run.max_parallel is not null then
      perform goalpost.admit(_run.id);
    end if;
  end loop;
  return _over;
end $$;
