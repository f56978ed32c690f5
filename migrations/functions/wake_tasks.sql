-- Makes suspended tasks ready that have an answer they are parked for. The caller holds their locks. While the run is
-- paused the ready rows are dropped by whoever claims them, and made again when it is resumed.
create or replace function goalpost.wake_tasks(_runs uuid[], _positions int[], _items int[]) returns void
language plpgsql as $$
begin
  with answered as materialized (
    select k.run_id, k.position, k.item, 'suspended' as was
    from goalpost.read_handout(_runs, _positions, _items, null) k
    cross join lateral (
      select 1 from goalpost.waits
      where run_id = k.run_id and position = k.position and item = k.item and awaited and state <> 'waiting'
      limit 1) w),
  woken as (
    update goalpost.tasks t set status = 'ready'
    from answered a
    where t.run_id = a.run_id and t.position = a.position and t.item = a.item and t.status = a.was
    returning t.run_id, t.position, t.item, t.definition_id)
  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select case when r.max_parallel is null then goalpost.lane_of(r.lane, s.lane) else '#' || w.run_id end, r.prio, r.key,
    s.rank, w.run_id, w.position, w.item,
    case when r.max_parallel is not null then goalpost.lane_of(r.lane, s.lane) end
  from woken w
  cross join lateral (select lane, prio, key, max_parallel from goalpost.runs where id = w.run_id offset 0) r
  cross join lateral (
    select lane, rank from goalpost.steps
    where definition_id = w.definition_id and position = w.position offset 0) s;
  perform goalpost.admit(r.id)
  from (select distinct k.run_id as id from goalpost.read_handout(_runs, _positions, _items, null) k order by 1) r
  cross join lateral (select 1 from goalpost.runs where id = r.id and max_parallel is not null offset 0) u;
end $$;
