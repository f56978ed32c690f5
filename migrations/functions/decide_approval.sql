-- Approves or rejects a task that is parked for it. Returns what it found: null without such a task, else
-- [decided, task's status, wait's state or null, by, at]; by and at are those of the first decision.
create or replace function goalpost.decide_approval(
  _run uuid, _task text, _state text, _by text, _note text, _args json, _now timestamptz) returns json
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _found record;
  _wait  record;
  _open  boolean;
begin
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  -- A task to be decomposed is asked about before its decomposer is.
  select t.position, t.status into _found
  from goalpost.runs r
  cross join lateral (
    select position from goalpost.steps
    where definition_id = r.definition_id and name in ('/plan/' || _task, _task)
    order by name limit 1) s
  cross join lateral (
    select position, status from goalpost.tasks
    where run_id = r.id and position = s.position and item = -1 for update) t
  where r.id = _run;
  if not found then
    return null;
  end if;
  select w.state, w.by as decider, w.answered_at into _wait from goalpost.waits w
  where w.run_id = _run and w.position = _found.position and w.item = -1 and w.key = '/approval';
  _open := _found.status = 'suspended' and _wait.state = 'waiting';
  if _open then
    update goalpost.waits w set state = _state, answer = _args, by = _by, note = _note, answered_at = goalpost.now(),
      answer_no = goalpost.next_answer(_run, _found.position, -1)
    where w.run_id = _run and w.position = _found.position and w.item = -1 and w.key = '/approval';
    perform goalpost.wake_tasks(array[_run], array[_found.position], array[-1]);
    perform pg_notify('goalpost', 'wake');
  end if;
  return json_build_array(coalesce(_open, false), _found.status, _wait.state, _wait.decider, _wait.answered_at);
end $$;
