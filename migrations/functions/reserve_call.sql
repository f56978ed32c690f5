-- Writes a call that is about to be made into the ledger, if every budget that it is on has room for it and no shared
-- rate limit holds it back: one statement, so that a fleet cannot spend more than one process.
-- _call: a PlannedCall, its scope's fields beside the others, with worker, budget (as start_extras takes it, or null)
--   and limits: [[scope, requests a minute or null, tokens a minute or null], …] of its provider and its model.
-- Returns { outcome: "reserved" } · { outcome: "wait", waitMs } · { outcome: "over", status } if its run is final ·
--   { outcome: "exceeded", budget: { of, key, unit, limit, used, asked, onExceed, unknownPrice } }; with pause the runs
--   that it is the budget of are paused by then.
-- What calls under way have reserved may turn out less: as long as it alone stands in the way the call waits.
--
-- Lock order of the ledger's functions: calls, then budgets by id, rate limits by scope, then (tasks and) runs, then event
-- counters. Nobody who holds a run or a task asks for a budget, but for forget_runs, which is repeated.
create or replace function goalpost.reserve_call(_call json) returns json language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  _at       timestamptz := goalpost.now();
  _c        record;
  _line     goalpost.run_line;
  _budget   goalpost.budgets;
  _budgets  bigint[] := '{}';
  _verdict  record;
  _in_way   boolean := false;
  _wait_ms  double precision;
begin
  select * into _c from json_to_record(_call) as c("callId" text, "requestId" text, kind text, provider text, model text,
    "runId" uuid, workflow text, position int, "taskId" text, item int, attempt int, instance text, worker uuid,
    labels jsonb, "inputTokens" bigint, "outputTokens" bigint, "costNanoUsd" bigint, budget json, limits json);
  -- Asked again, because the answer was lost.
  if exists (select 1 from goalpost.llm_calls l where l.id = _c."callId") then
    return json_build_object('outcome', 'reserved');
  end if;
  if _c."runId" is not null then
    _line := goalpost.line_of(_c."runId");
    if _line.status in ('completed', 'failed', 'cancelled') then
      return json_build_object('outcome', 'over', 'status', _line.status);
    end if;
    _c.labels := _line.labels;
  end if;

  if json_typeof(_c.budget) = 'array' then
    insert into goalpost.budgets (scope, key, limit_nano_usd, limit_tokens, limit_calls, on_exceed, changed_at)
    values ('request', _c."requestId", (_c.budget->>1)::bigint, (_c.budget->>2)::bigint, (_c.budget->>3)::bigint, 'fail', _at)
    on conflict do nothing;
  end if;
  for _budget in
    select b.* from goalpost.budgets b where b.id = any(array(
      select f.id from (
        select 'request' as scope, _c."requestId" as key where json_typeof(_c.budget) = 'array'
        union all select 'run', _c."runId"::text where _c."runId" is not null
        union all select 'tree', r::text from unnest(_line.ids) r
        -- Of a key with "=" nobody could tell where its value begins.
        union all select 'label', l.key || '=' || l.value from jsonb_each_text(_c.labels) l where position('=' in l.key) = 0) k
      cross join lateral (
        select id from goalpost.budgets where scope = k.scope and key = k.key offset 0) f))
    order by b.id for update
  loop
    _budgets := _budgets || _budget.id;
    _verdict := goalpost.judge_call(_budget, _c."costNanoUsd", _c."inputTokens" + _c."outputTokens");
    if _verdict.exceeded is not null then
      if _verdict.exceeded->>'onExceed' = 'pause' then
        perform goalpost.pause_for_budget(_budget, _line);
      end if;
      return json_build_object('outcome', 'exceeded', 'budget', _verdict.exceeded);
    end if;
    _in_way := _in_way or _verdict.in_way;
  end loop;
  if _in_way then
    return json_build_object('outcome', 'wait', 'waitMs', 100);
  end if;

  _wait_ms := goalpost.pass_limits(_c.limits, _c."inputTokens" + _c."outputTokens");
  if _wait_ms > 0 then
    -- Not a whole millisecond more for a rounding error.
    return json_build_object('outcome', 'wait', 'waitMs', greatest(1, ceil(_wait_ms - 0.01)));
  end if;

  update goalpost.budgets set reserved_calls = reserved_calls + 1,
    reserved_tokens = reserved_tokens + _c."inputTokens" + _c."outputTokens",
    reserved_nano_usd = reserved_nano_usd + coalesce(_c."costNanoUsd", 0)
  where id = any(_budgets);
  insert into goalpost.llm_calls (id, request_id, run_id, root_run_id, workflow, position, task, item, attempt, instance,
    worker, labels, kind, provider, model, input_tokens, output_tokens, cost_nano_usd, reserved_tokens, reserved_nano_usd,
    charges, started_at)
  values (_c."callId", _c."requestId", _c."runId", case when _c."runId" is not null then coalesce(_line.root, _c."runId") end,
    _c.workflow, _c.position, _c."taskId", _c.item, _c.attempt, _c.instance, _c.worker, _c.labels, _c.kind, _c.provider,
    _c.model, _c."inputTokens", _c."outputTokens", _c."costNanoUsd", _c."inputTokens" + _c."outputTokens",
    _c."costNanoUsd", _budgets, _at);
  if cardinality(_line.unbilled) > 0 then
    perform 1 from goalpost.runs r where r.id = any(_line.unbilled) order by r.id for no key update;
    update goalpost.runs set billed = true where id = any(_line.unbilled) and not billed;
  end if;
  return json_build_object('outcome', 'reserved');
end $$;
