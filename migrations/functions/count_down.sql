-- One level of advance(): counts the dependents of final tasks down and decides those that waited for nothing else. They
-- are locked by run and position, as they are counted. Ready ones get a row in their lane, unless they are the worker's
-- at once. Gives back what was decided; joins are completed here, but have no output yet.
create or replace function goalpost.count_down(
  _runs uuid[], _positions int[], _definitions bigint[], _cascades boolean[],
  _worker uuid, _lanes text[], _room int, _head goalpost.place)
returns goalpost.decided[] language plpgsql as $$
declare
  _at      timestamptz := goalpost.now();
  _child   record;
  _task    record;
  _run     record;
  _known   uuid;
  _lane    text;
  _direct  boolean;
  _limited boolean := false;
  _decided goalpost.decided[];
begin
  for _child in
    select d.*, s.kind, s.rank, s.lane, s.on_skip
    from (
      select f.run_id, f.definition_id, e.dst as position, count(*)::int as n,
        coalesce(bool_or(f.cascade and not e.optional), false) as skip
      from unnest(_runs, _positions, _definitions, _cascades) f(run_id, position, definition_id, cascade)
      cross join lateral (
        select dst, optional from goalpost.edges where definition_id = f.definition_id and src = f.position offset 0) e
      group by 1, 2, 3 order by 1, 3) d
    cross join lateral (
      select kind, rank, lane, on_skip from goalpost.steps
      where definition_id = d.definition_id and position = d.position offset 0) s
  loop
    _direct := false;
    if _child.kind in ('step', 'plan') then
      if _known is distinct from _child.run_id then
        _known := _child.run_id;
        select r.id, r.status, r.lane, r.prio, r.key, r.max_parallel into _run
        from goalpost.runs r where r.id = _child.run_id;
        _limited := _run.max_parallel is not null;
      end if;
      _lane := goalpost.lane_of(_run.lane, _child.lane);
      _direct := _room > 0 and _run.status = 'running' and not _limited and _lane = any(_lanes) and not goalpost.is_capped(_lane)
        and (_head.key is null or (_run.prio, _run.key, _child.rank) <= (_head.prio, _head.key, _head.rank));
    end if;
    update goalpost.tasks t set deps_left = t.deps_left - _child.n, skip = t.skip or _child.skip,
      status = case when t.deps_left > _child.n then 'waiting'
                    when (t.skip or _child.skip) and _child.kind not in ('join', 'end') then 'skipped'
                    when _direct then 'running'
                    when _child.kind in ('step', 'map', 'plan') then 'ready' else 'completed' end,
      finished_at = case when t.deps_left = _child.n
        and (t.skip or _child.skip or _child.kind in ('gate', 'join', 'end')) then _at end,
      worker = case when t.deps_left = _child.n and _direct and not (t.skip or _child.skip) then _worker end,
      delivery = t.delivery + case when t.deps_left = _child.n and _direct then 1 else 0 end,
      started_at = case when t.deps_left = _child.n and _direct and not (t.skip or _child.skip) then _at end
    where t.run_id = _child.run_id and t.position = _child.position and t.item = -1 and t.status = 'waiting'
    returning t.status, t.skip, t.delivery into _task;
    continue when not found or _task.status = 'waiting';

    _decided := _decided || row(_child.run_id, _child.position, _child.definition_id, _child.kind, _task.status,
      _task.delivery, _task.skip, _child.on_skip = 'cascade', _lane, _limited)::goalpost.decided;
    if _task.status = 'running' then
      _room := _room - 1;
    elsif _task.status = 'ready' and _child.kind <> 'map' then
      insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
      values (case when _limited then '#' || _child.run_id else _lane end, _run.prio, _run.key, _child.rank,
        _child.run_id, _child.position, -1, case when _limited then _lane end);
    end if;
  end loop;
  return _decided;
end $$;
