-- The place of the best row in any of the lanes; all null if there is none.
create or replace function goalpost.best_place(_lanes text[]) returns goalpost.place language plpgsql as $$
declare
  _best goalpost.place;
begin
  if cardinality(_lanes) = 1 then
    select r.prio, r.key, r.rank into _best from goalpost.ready r where r.lane = _lanes[1]
    order by r.lane, r.prio, r.key, r.rank limit 1;
  else
    select head.prio, head.key, head.rank into _best
    from unnest(_lanes) l(lane) cross join lateral (
      select r.prio, r.key, r.rank from goalpost.ready r where r.lane = l.lane
      order by r.lane, r.prio, r.key, r.rank limit 1) head
    order by head.prio, head.key, head.rank limit 1;
  end if;
  return _best;
end $$;
