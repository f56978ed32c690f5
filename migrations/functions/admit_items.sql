-- Makes the next items of a map with a limit ready, as many as there is room for. _from: the first that may wait.
create or replace function goalpost.admit_items(_run uuid, _position int, _from int, _count int)
returns void language plpgsql as $$
declare
  _items   int[];
  _limited boolean;
begin
  _items := array(
    select item from goalpost.tasks
    where run_id = _run and position = _position and item >= _from and status = 'waiting'
    order by run_id, position, item limit _count for update);
  update goalpost.tasks set next_item = case when cardinality(_items) = _count then _items[_count] + 1 end
  where run_id = _run and position = _position and item = -1;
  update goalpost.tasks t set status = 'ready', deps_left = 0
  from unnest(_items) i(item) where t.run_id = _run and t.position = _position and t.item = i.item;

  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select case when r.max_parallel is null then goalpost.lane_of(r.lane, s.lane) else '#' || _run end, r.prio, r.key, s.rank, _run,
    _position, i.item, case when r.max_parallel is not null then goalpost.lane_of(r.lane, s.lane) end
  from unnest(_items) i(item)
  cross join lateral (select definition_id, lane, prio, key, max_parallel from goalpost.runs where id = _run offset 0) r
  cross join lateral (
    select lane, rank from goalpost.steps
    where definition_id = r.definition_id and position = _position offset 0) s;
  select max_parallel is not null into _limited from goalpost.runs where id = _run;
  if _limited then
    perform goalpost.admit(_run);
  end if;
end $$;
