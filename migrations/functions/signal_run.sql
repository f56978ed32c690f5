-- Sends a signal to a run: kept until a task of it waits for it. Returns the run's status; null if there is none. A
-- signal to a run that is final is not kept.
create or replace function goalpost.signal_run(_run uuid, _name text, _payload json, _now timestamptz) returns text
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _status text;
  _to     record;
begin
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  -- Tasks are locked before signals, here like in settling: the task that most likely is the one.
  perform 1
  from (select position, item from goalpost.waits where run_id = _run and name = _name and kind = 'signal'
    and state = 'waiting' and awaited order by created_at, position, item, key) w
  cross join lateral (
    select 1 from goalpost.tasks
    where run_id = _run and position = w.position and item = w.item and status = 'suspended' for update) t
  limit 1;
  perform goalpost.lock_signals(_run);
  select r.status into _status from goalpost.runs r where r.id = _run;
  if _status is null or _status in ('completed', 'failed', 'cancelled') then
    return _status;
  end if;
  insert into goalpost.signals (run_id, name, payload, at) values (_run, _name, _payload, goalpost.now());
  select d.positions, d.items into _to from goalpost.deliver_signals(_run, _name) d;
  if cardinality(_to.positions) > 0 then
    perform goalpost.wake_tasks(array_fill(_run, array[cardinality(_to.positions)]), _to.positions, _to.items);
    perform pg_notify('goalpost', 'wake');
  end if;
  return _status;
end $$;
