-- The place of the best row in any of the lanes; all null if there is none. _whole: each is read from its start.
create or replace function goalpost.best_place(_worker uuid, _lanes text[], _whole boolean) returns goalpost.place language plpgsql as $$
declare
  _best  goalpost.place;
  _head  goalpost.place;
  _floor goalpost.place;
  _lane  text;
begin
  foreach _lane in array _lanes loop
    _floor := goalpost.floor_of(_worker, _lane, _whole);
    select r.prio, r.key, r.rank into _head from goalpost.ready r
    where r.lane = _lane and (r.prio, r.key, r.rank) >= (_floor.prio, _floor.key, _floor.rank)
    order by r.lane, r.prio, r.key, r.rank limit 1;
    if found and (_best.key is null or (_head.prio, _head.key, _head.rank) < (_best.prio, _best.key, _best.rank)) then
      _best := _head;
    end if;
  end loop;
  return _best;
end $$;
