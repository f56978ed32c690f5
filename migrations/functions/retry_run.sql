-- Starts run _new from a failed or cancelled one: what was finished is carried over and the rest is done again, or, with
-- _reset, everything. Returns the id of the run that does it: one that retries the old run already and has not ended
-- is returned instead of starting another. Null if the old run is unknown or not failed or cancelled.
create or replace function goalpost.retry_run(_old uuid, _new uuid, _worker uuid, _lane text, _reset boolean)
returns uuid language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _was        goalpost.runs;
  _going      uuid;
  _definition bigint;
begin
  -- Of several that retry it at once the first one does.
  select * into _was from goalpost.runs r where r.id = _old and r.status in ('failed', 'cancelled') for update;
  if not found then
    return null;
  end if;
  select r.id into _going from goalpost.runs r where r.retry_of = _old and r.finished_at is null limit 1;
  if found then
    return _going;
  end if;
  _definition := goalpost.copy_definition(_was.definition_id, _new, _reset);
  -- The key stands for the work, not for one run of it: it finds the latest.
  update goalpost.runs set idempotency_key = null where id = _old and idempotency_key is not null;
  if _was.execution <> 'local' then
    _lane := _was.lane;
  end if;
  -- What the old run spent is not on the new one's account.
  insert into goalpost.budgets (scope, key, limit_nano_usd, limit_tokens, limit_calls, on_exceed, changed_at)
  select b.scope, _new, b.limit_nano_usd, b.limit_tokens, b.limit_calls, b.on_exceed, goalpost.now()
  from goalpost.budgets b where b.scope in ('run', 'tree') and b.key = _old::text;
  if _reset then
    perform goalpost.start_runs(
      json_build_array(json_build_array(_new, _definition, _was.workflow, _was.source, _was.execution, _lane, _was.prio,
        _worker, null, null, _new, _was.idempotency_key, _was.input_hash, _was.max_parallel,
        extract(epoch from _was.deadline_at - _was.created_at) * 1000, _was.labels, 0, _was.traced)),
      json_build_array(_was.input),
      case when _was.settings is not null then json_build_array(json_build_array(_was.settings, null)) end,
      true, null, '{}', 0, null);
    update goalpost.runs set retry_of = _old where id = _new;
    perform goalpost.publish();
    return _new;
  end if;

  insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, owner, root_run_id,
    retry_of, idempotency_key, input_hash, max_parallel, input, settings, labels, deadline_at, created_at, traced)
  values (_new, _definition, _was.workflow, _was.source, 'running', _was.execution, _lane, _was.prio,
    extract(epoch from goalpost.now()), _worker, _new, _old, _was.idempotency_key, _was.input_hash, _was.max_parallel,
    _was.input, _was.settings, _was.labels, goalpost.now() + (_was.deadline_at - _was.created_at), goalpost.now(),
    _was.traced);
  perform goalpost.carry_over(_old, _new, _definition);
  if _was.traced then
    insert into goalpost.event_counters (run_id, seq) values (_new, 0);
    perform goalpost.emit(_new, 'workflow_started', null);
  end if;
  perform goalpost.requeue(_new);
  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select '@', 0, extract(epoch from r.deadline_at), 0, _new, -1, -1, '!deadline'
  from goalpost.runs r where r.id = _new and r.deadline_at is not null;
  perform goalpost.begin_run(_new);
  perform goalpost.publish();
  return _new;
end $$;
