-- count_down() for many tasks, in one statement. They go straight to the worker only if there is room for all of them.
create or replace function goalpost.count_down_many(
  _runs uuid[], _positions int[], _definitions bigint[], _cascades boolean[],
  _worker uuid, _lanes text[], _room int, _head goalpost.place)
returns goalpost.decided[] language plpgsql as $$
declare
  _at      timestamptz := goalpost.now();
  _decided goalpost.decided[];
begin
  with due as materialized (
    select f.run_id, f.definition_id, e.dst as position, count(*)::int as n,
      coalesce(bool_or(f.cascade and not e.optional), false) as skip
    from goalpost.read_keys(_runs, _positions, _definitions, _cascades) f
    cross join lateral (
      select dst, optional from goalpost.edges where definition_id = f.definition_id and src = f.position offset 0) e
    group by 1, 2, 3 order by 1, 3),
  counted as materialized (
    select d.run_id, d.position, -1 as item, 'waiting' as was, d.n, d.skip, s.kind, s.rank, s.on_skip,
      goalpost.lane_of(r.lane, s.lane) as lane, r.prio, r.key, r.max_parallel is not null as limited,
      s.kind in ('step', 'plan') and r.status = 'running' and r.max_parallel is null
        and goalpost.lane_of(r.lane, s.lane) = any(_lanes) and not goalpost.is_capped(r.lane) and (select count(*) from due) <= _room
        and (_head.key is null or (r.prio, r.key, s.rank) <= (_head.prio, _head.key, _head.rank)) as direct
    from due d
    cross join lateral (
      select kind, rank, lane, on_skip from goalpost.steps
      where definition_id = d.definition_id and position = d.position offset 0) s
    cross join lateral (
      select lane, prio, key, status, max_parallel from goalpost.runs where id = d.run_id offset 0) r),
  child as (
    update goalpost.tasks t set deps_left = t.deps_left - l.n, skip = t.skip or l.skip,
      status = case when t.deps_left > l.n then t.status
                    when (t.skip or l.skip) and l.kind not in ('join', 'end') then 'skipped'
                    when l.direct then 'running'
                    when l.kind in ('step', 'map', 'plan') then 'ready' else 'completed' end,
      finished_at = case when t.deps_left = l.n and (t.skip or l.skip or l.kind in ('gate', 'join', 'end')) then _at end,
      worker = case when t.deps_left = l.n and l.direct and not (t.skip or l.skip) then _worker end,
      delivery = t.delivery + case when t.deps_left = l.n and l.direct then 1 else 0 end,
      started_at = case when t.deps_left = l.n and l.direct and not (t.skip or l.skip) then _at end
    from counted l
    where t.run_id = l.run_id and t.position = l.position and t.item = l.item and t.status = l.was
    returning t.run_id, t.position, t.definition_id, t.status, t.delivery, t.skip, l.kind, l.rank, l.lane, l.prio,
      l.key, l.limited, l.on_skip),
  queued as (
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
    select case when c.limited then '#' || c.run_id else c.lane end, c.prio, c.key, c.rank, c.run_id, c.position, -1,
      case when c.limited then c.lane end
    from child c where c.status = 'ready' and c.kind <> 'map')
  select array_agg(row(c.run_id, c.position, c.definition_id, c.kind, c.status, c.delivery, c.skip,
    c.on_skip = 'cascade', c.lane, c.limited)::goalpost.decided) into _decided
  from child c where c.status <> 'waiting';
  return _decided;
end $$;
