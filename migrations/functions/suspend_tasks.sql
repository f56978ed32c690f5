-- The part of settling that parks tasks: stores what they wait for, starts the children among it, and wakes at once
-- those that are answered already. The tasks are locked by settle.
-- A payload is [[wait, …], heads, inputs, plans]: a wait is [key, kind, name, ms or null, child or null,
-- awaited, asked or null]; the rest are the children to start, as start_runs takes them. asked: what somebody decides
-- about, as JSON text; it stands in the place of the answer until there is one.
create or replace function goalpost.suspend_tasks(_reports json, _payloads json, _settled bigint[]) returns void
language plpgsql as $$
declare
  _at        timestamptz := goalpost.now();
  _task      record;
  _signal    record;
  _keys      text[];
  _runs      uuid[] := '{}';
  _positions int[] := '{}';
  _items     int[] := '{}';
begin
  for _task in
    select r.run_id, r.position, r.item, goalpost.json_items(r.payload) as parts
    from goalpost.read_reports(_reports, _payloads, null) r
    -- Another report of this call may have ended the run.
    cross join lateral (
      select 1 from goalpost.tasks
      where run_id = r.run_id and position = r.position and item = r.item and status = 'suspended' offset 0) t
    where r.ord = any(_settled) and r.outcome = 'suspended' order by r.ord
  loop
    _keys := array(select w.v->>0 from json_array_elements(_task.parts[1]) w(v) where (w.v->>5)::boolean);
    if json_array_length(_task.parts[2]) > 0 then
      perform goalpost.start_children(_task.run_id, _task.position, _task.parts);
    end if;
    with stored as (
      insert into goalpost.waits (run_id, position, item, key, kind, name, due_at, child_run_id, answer, created_at)
      select _task.run_id, _task.position, _task.item, w.v->>0, w.v->>1, w.v->>2,
        _at + make_interval(secs => (w.v->>3)::double precision / 1000), (w.v->>4)::uuid, (w.v->>6)::json, _at
      from json_array_elements(_task.parts[1]) w(v)
      on conflict do nothing
      returning due_at)
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
    select '@', 0, extract(epoch from s.due_at), 0, _task.run_id, _task.position, _task.item, '!wait'
    from stored s where s.due_at is not null;
    update goalpost.waits w set awaited = not w.awaited
    where w.run_id = _task.run_id and w.position = _task.position and w.item = _task.item
      and w.awaited <> (w.key = any(_keys));
    _runs := _runs || _task.run_id;
    _positions := _positions || _task.position;
    _items := _items || _task.item;
  end loop;

  -- A signal on its way sees these waits, or is seen here.
  for _signal in
    select distinct k.run_id, w.name
    from goalpost.read_handout(_runs, _positions, _items, null) k
    cross join lateral (
      select name from goalpost.waits
      where run_id = k.run_id and position = k.position and item = k.item
        and kind = 'signal' and state = 'waiting' and awaited offset 0) w
    order by 1, 2
  loop
    perform goalpost.lock_signals(_signal.run_id);
    perform goalpost.deliver_signals(_signal.run_id, _signal.name);
  end loop;
  perform goalpost.due_waits(_runs, _positions, _items);
end $$;
