-- Takes up to _room tasks from the lanes, best head first. A ready row is a hint: it is deleted, and the task is
-- started only if it is ready and its run is running. _whole: each lane is read from its start.
create or replace function goalpost.claim(_worker uuid, _room int, _lanes text[], _whole boolean)
returns goalpost.advanced language plpgsql as $$
declare
  _at timestamptz := goalpost.now();
  _lane      text;
  _order     text[] := _lanes;
  _runs      uuid[] := '{}';
  _positions int[] := '{}';
  _items     int[] := '{}';
  _took      record;
  _floor     goalpost.place;
  _since     timestamptz;
  _free      int;
  _capped    text[];
  _got       goalpost.advanced;
begin
  if cardinality(_lanes) > 1 then
    _order := array(
      select l.lane from unnest(_lanes) l(lane)
      cross join lateral goalpost.floor_of(_worker, l.lane, _whole) f
      cross join lateral (
        select r.prio, r.key, r.rank from goalpost.ready r
        where r.lane = l.lane and (r.prio, r.key, r.rank) >= (f.prio, f.key, f.rank)
        order by r.lane, r.prio, r.key, r.rank limit 1) head
      order by head.prio, head.key, head.rank);
  end if;
  foreach _lane in array _order loop
    exit when cardinality(_runs) >= _room;
    _free := _room - cardinality(_runs);
    if starts_with(_lane, 'queue:') then
      -- Of a queue with a limit as many as it allows; whoever claims from it next waits until these are counted.
      select l.max_running - l.running as left into _took from goalpost.lanes l
      where l.lane = split_part(_lane, '+', 1) and l.max_running is not null for update;
      if found then
        _capped := _capped || split_part(_lane, '+', 1);
        _free := least(_free, _took.left);
      end if;
      continue when _free <= 0;
    end if;
    _floor := goalpost.floor_of(_worker, _lane, _whole);
    _since := clock_timestamp();
    with candidate as (
      delete from goalpost.ready q where q.ctid = any(array(
        select r.ctid from goalpost.ready r
        where r.lane = _lane and (r.prio, r.key, r.rank) >= (_floor.prio, _floor.key, _floor.rank)
        order by r.lane, r.prio, r.key, r.rank limit _free for update skip locked))
      returning q.prio, q.key, q.rank, q.run_id, q.position, q.item)
    select array_agg(c.run_id order by c.prio, c.key, c.rank) as runs,
      array_agg(c.position order by c.prio, c.key, c.rank) as positions,
      array_agg(c.item order by c.prio, c.key, c.rank) as items,
      (array_agg(row(c.prio, c.key, c.rank)::goalpost.place order by c.prio desc, c.key desc, c.rank desc))[1] as last
    into _took from candidate c;
    if _took.runs is not null then
      perform goalpost.keep_floor(_worker, _lane, _floor, _took.last, _since);
    end if;
    _runs := _runs || _took.runs;
    _positions := _positions || _took.positions;
    _items := _items || _took.items;
  end loop;
  if cardinality(_runs) = 0 then
    return null;
  end if;

  with candidate as materialized (
    select c.ord, c.run_id, c.position, c.item, 'ready' as was
    from goalpost.read_handout(_runs, _positions, _items, null) c
    cross join lateral (
      select 1 from goalpost.runs where id = c.run_id and status = 'running' offset 0) u),
  claimed as (
    update goalpost.tasks t set status = 'running', worker = _worker, delivery = t.delivery + 1,
      started_at = _at
    from candidate c
    where t.run_id = c.run_id and t.position = c.position and t.item = c.item and t.status = c.was
    returning c.ord, t.run_id, t.position, t.item, t.delivery)
  select array_agg(c.run_id order by c.ord), array_agg(c.position order by c.ord), array_agg(c.item order by c.ord),
    array_agg(c.delivery order by c.ord)
  into _got.runs, _got.positions, _got.items, _got.deliveries from claimed c;
  if _capped is not null then
    update goalpost.lanes l set running = l.running + c.n
    from (
      select r.lane, count(*)::int as n from unnest(_got.runs) g(id)
      cross join lateral (select lane from goalpost.runs where id = g.id offset 0) r
      where r.lane = any(_capped) group by 1 order by 1) c
    where l.lane = c.lane;
  end if;
  if cardinality(_runs) > coalesce(cardinality(_got.runs), 0) then
    perform goalpost.park(_runs, _positions, _items);
  end if;
  return _got;
end $$;
