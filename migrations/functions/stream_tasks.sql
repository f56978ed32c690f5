-- Hands on a part of a plan that is still being made: the tasks may start at once. Nothing that they lead into can be
-- closed meanwhile, because it waits for the node that plans. A part that was handed on before (by _part, its number)
-- changes nothing. Returns the position of the first new node; null if the node that plans is no longer that worker's.
-- _shape: its first node is the gate that the others wait for. _tasks: what the planner is told of it if it has to plan
-- again, kept as a checkpoint.
create or replace function goalpost.stream_tasks(
  _worker uuid, _run uuid, _position int, _delivery int, _part text, _tasks json, _shape json, _now timestamptz)
returns int language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _definition bigint;
  _base       int;
  _got        goalpost.advanced;
begin
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  select t.definition_id into _definition from goalpost.tasks t
  where t.run_id = _run and t.position = _position and t.item = -1
    and t.status = 'running' and t.worker = _worker and t.delivery = _delivery for update;
  if not found then
    return null;
  end if;
  select (c.v[1]::text)::int into _base
  from (
    select goalpost.json_items(value) as v from goalpost.checkpoints
    where run_id = _run and position = _position and item = -1 and key = _part) c;
  if found then
    return _base;
  end if;
  _base := goalpost.extend_run(_run, _position, _definition, _shape);
  insert into goalpost.checkpoints (run_id, position, item, key, value, at)
  values (_run, _position, -1, _part, json_build_array(_base, _tasks), goalpost.now());
  _got := goalpost.advance(array[_run], array[_base], array[_definition], array[false], true, null, null, 0, null);
  if (_got.queued)::text like '%queue:%' then
    perform goalpost.wake_idle(_worker, _got.queued);
  end if;
  perform goalpost.publish();
  return _base;
end $$;
