-- Approves or rejects a task that is parked for it, or a call of a tool that it is parked for: the one with id _call,
-- or the only one. Returns what it found: null without such a task, else
-- [decided, task's status, wait's state or null, by, at, open]; by and at are those of the first decision. open: where
-- it could be one of several calls, their [id, tool], and nothing is decided.
create or replace function goalpost.decide_approval(
  _run uuid, _task text, _call text, _state text, _by text, _note text, _args json, _now timestamptz) returns json
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _position int;
  _asked    record;
  _status   text;
  _wait     record;
  _open     boolean;
begin
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  perform goalpost.inflate(_run);
  -- A task to be decomposed is asked about before its decomposer is.
  select s.position into _position
  from goalpost.runs r
  cross join lateral (
    select position from goalpost.steps
    where definition_id = r.definition_id and name in ('/plan/' || _task, _task)
    order by name limit 1) s
  where r.id = _run;
  if not found then
    return null;
  end if;
  -- Calls are those of the task or, in a map, of its items.
  select min(w.item) as item, min(w.key) as key, count(*) as n, json_agg(json_build_array(substr(w.key, 7), w.name)) as calls
  into _asked
  from (select * from goalpost.waits where run_id = _run and position = _position) w
  where w.kind = 'approval' and w.key like '/call/%'
    and case when _call is null then w.state = 'waiting' and w.awaited else w.key = '/call/' || _call end;
  if _asked.n = 0 then
    _asked.item := -1;
    _asked.key := case when _call is null then '/approval' else '/call/' || _call end;
  end if;
  select status into _status from goalpost.tasks
  where run_id = _run and position = _position and item = _asked.item for update;
  if not found then
    return null;
  end if;
  if _asked.n > 1 then
    return json_build_array(false, _status, null, null, null, _asked.calls);
  end if;
  select w.state, w.by as decider, w.answered_at into _wait from goalpost.waits w
  where w.run_id = _run and w.position = _position and w.item = _asked.item and w.key = _asked.key;
  _open := _status = 'suspended' and _wait.state = 'waiting';
  if _open then
    update goalpost.waits w set state = _state, answer = coalesce(_args, w.answer), by = _by, note = _note,
      answered_at = goalpost.now(), answer_no = goalpost.next_answer(_run, _position, _asked.item)
    where w.run_id = _run and w.position = _position and w.item = _asked.item and w.key = _asked.key;
    perform goalpost.wake_tasks(array[_run], array[_position], array[_asked.item]);
    perform pg_notify('goalpost', 'wake');
  end if;
  return json_build_array(coalesce(_open, false), _status, _wait.state, _wait.decider, _wait.answered_at, null);
end $$;
