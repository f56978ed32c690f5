-- The one call a worker makes: it hands in what happened since the last one and takes out newly claimed tasks
-- with their inputs. It settles first and claims after, so that a child goes straight to the worker that
-- completed its parent. A call repeated with the same seq answers with the same tasks and changes nothing. Only a call
-- that polls looks for what is due by now. _extras: some element belongs to a run that has limits or is traced.
-- _inflate: runs that are compact no longer: see inflate.
--
-- The planner is pinned: every access here is by a key, and a plan that depends on statistics is 5 to 30 times
-- slower on a fresh database or a near-empty partial index.
--
-- Lock order, for every function: runs being started by key; own tasks, then children, by (run, position,
-- item); then runs; then lanes; then tasks reached through ready rows just taken; then counters of events. Cascades can
-- still cross: a deadlock or serialization failure repeats the whole call with the same seq.
create or replace function goalpost.exchange(
  _worker uuid, _seq bigint, _room int, _lanes text[], _poll boolean, _extras boolean, _closed bigint[],
  _starts json, _start_inputs json, _start_plans json,
  _reports json, _payloads json, _shapes json, _marks json, _values json, _beat json, _now timestamptz,
  _inflate uuid[] default null)
returns text language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set jit = off set plan_cache_mode = force_generic_plan
as $$
declare
  _handed   boolean := false;
  _replayed boolean;
  _refused  json;
  _over     uuid[];
  _settled  record;
  _stale    json;
  _fleet    json;
  _head     goalpost.place;
  _got      goalpost.advanced;
  _roots    goalpost.advanced;
  _claimed  goalpost.advanced;
begin
  -- A repeated call may overtake the first one, whose hand-out would then not be seen.
  perform pg_advisory_xact_lock(hashtextextended(_worker::text, 0));
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  if _beat is not null then
    _fleet := goalpost.beat(_worker, _beat);
  end if;
  _replayed := exists (select 1 from goalpost.handouts h where h.worker = _worker and h.seq = _seq);
  if _closed is not null then
    delete from goalpost.handouts h where h.worker = _worker and h.seq = any(_closed);
  end if;
  if _replayed then
    _room := 0;
  end if;
  if _room > 0 and (_reports is not null or _starts is not null) then
    _head := goalpost.best_place(_worker, _lanes, _poll);
  end if;
  if _inflate is not null then
    perform goalpost.inflate(i.run_id) from goalpost.read_ids(_inflate) i;
  end if;
  if _marks is not null then
    _stale := goalpost.save_checkpoints(_worker, _marks, _values);
    if _extras then
      perform goalpost.trace_started(_worker, _marks);
    end if;
  end if;
  if _reports is not null then
    _settled := goalpost.settle(_worker, _reports, _payloads, _shapes, _extras, _lanes, _room, _head);
    _refused := _settled.refused;
    _got := _settled.progress;
    _over := _got.over;
    _room := _room - coalesce(cardinality(_got.runs), 0);
  end if;
  if _starts is not null and not _replayed then
    _roots := goalpost.start_runs(_starts, _start_inputs, _start_plans, _extras, _worker, _lanes, _room, _head);
    _over := _over || _roots.over;
    _room := _room - coalesce(cardinality(_roots.runs), 0);
  end if;
  if _poll then
    _over := _over || goalpost.move_due();
  end if;
  if not _replayed then
    -- What was queued just now, or was there before, or may have been put there by somebody else.
    if _room > 0 and (_head.key is not null or _poll or _got.queued is not null or _roots.queued is not null) then
      _claimed := goalpost.claim(_worker, _room, _lanes, _poll);
    end if;
    _handed := goalpost.hand_out(_worker, _seq, _got, _roots, _claimed);
  end if;
  if (_got.queued || _roots.queued)::text like '%queue:%' then
    perform goalpost.wake_idle(_worker, _got.queued || _roots.queued);
  end if;
  if _extras or _poll then
    perform goalpost.publish();
  end if;
  return goalpost.reply(_worker, case when _handed or _replayed then _seq end, _refused, _stale, _over,
    _poll or _reports is not null, _fleet, _got.known || _roots.known);
end $$;
