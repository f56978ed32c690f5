-- Counts down the dependents of tasks that became final. A dependent is decided once, when its last dependency is: it is
-- skipped if one that it needs was (or failed) with "cascade", else ready, or completed if it settles by itself (gate,
-- join, end); then its own dependents are next. Ready tasks go straight to the worker if they fit into its room and
-- nothing better waits in its lanes (_head). Runs whose end node is reached are finished: over. _extras: some run may be
-- traced.
-- The update locks children in the order in which they are counted.
create or replace function goalpost.advance(
  _runs uuid[], _positions int[], _definitions bigint[], _cascades boolean[], _extras boolean,
  _worker uuid, _lanes text[], _room int, _head goalpost.place)
returns goalpost.advanced language plpgsql as $$
declare
  _at      timestamptz := goalpost.now();
  _decided goalpost.decided[];
  _task    goalpost.decided;
  _limited uuid[];
  _ends    uuid[];
  _end_positions int[];
  _end_definitions bigint[];
  _got     goalpost.advanced;
begin
  while cardinality(_runs) > 0 loop
    with due as materialized (
      select f.run_id, f.definition_id, e.dst as position, count(*)::int as n,
        coalesce(bool_or(f.cascade and not e.optional), false) as skip
      from goalpost.read_keys(_runs, _positions, _definitions, _cascades) f
      cross join lateral (
        select dst, optional from goalpost.edges where definition_id = f.definition_id and src = f.position offset 0) e
      group by 1, 2, 3 order by 1, 3),
    counted as materialized (
      select d.run_id, d.position, -1 as item, 'waiting' as was, d.n, d.skip, s.kind, s.rank, s.on_skip,
        coalesce(s.lane, r.lane) as lane, r.prio, r.key, r.max_parallel is not null as limited,
        s.kind in ('step', 'plan') and r.status = 'running' and r.max_parallel is null
          and coalesce(s.lane, r.lane) = any(_lanes) and (select count(*) from due) <= _room
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
        worker = case when t.deps_left = l.n and l.direct and not t.skip and not l.skip then _worker end,
        delivery = t.delivery + case when t.deps_left = l.n and l.direct then 1 else 0 end,
        started_at = case when t.deps_left = l.n and l.direct and not t.skip and not l.skip then _at end
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
      c.status = 'skipped' and c.on_skip = 'cascade')::goalpost.decided) into _decided
    from child c where c.status <> 'waiting' and (c.status <> 'ready' or c.kind = 'map' or c.limited);

    _runs := null;
    _positions := null;
    _definitions := null;
    _cascades := null;
    if _decided is not null then
      -- Most have neither.
      if exists (select 1 from unnest(_decided) d where d.kind in ('join', 'map')) then
        select c.decided, c.over into _decided, _got.over from goalpost.complete_children(_decided, _got.over) c;
      end if;
      if _extras then
        perform goalpost.trace_decided(_decided);
      end if;
      foreach _task in array coalesce(_decided, '{}') loop
        if _task.status = 'running' then
          _got.runs := _got.runs || _task.run_id;
          _got.positions := _got.positions || _task.position;
          _got.items := _got.items || -1;
          _got.deliveries := _got.deliveries || _task.delivery;
          _room := _room - 1;
        elsif _task.status = 'ready' then
          _limited := _limited || _task.run_id;
        elsif _task.kind = 'end' then
          _ends := _ends || _task.run_id;
          _end_positions := _end_positions || _task.position;
          _end_definitions := _end_definitions || _task.definition_id;
        else
          _runs := _runs || _task.run_id;
          _positions := _positions || _task.position;
          _definitions := _definitions || _task.definition_id;
          _cascades := _cascades || _task.cascades;
        end if;
      end loop;
    end if;
  end loop;
  if _ends is not null then
    _got.over := _got.over || goalpost.finish_runs(_ends, _end_positions, _end_definitions);
  end if;
  if _limited is not null then
    perform goalpost.admit(l.id) from (select distinct id from unnest(_limited) r(id) order by 1) l;
  end if;
  return _got;
end $$;
