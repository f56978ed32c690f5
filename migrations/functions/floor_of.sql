-- The place from which a worker reads a lane: the lowest one, or where it last took from it if reading it from the start
-- was slow a moment ago. While some old snapshot is open, rows that were taken stay in the index, and every look would
-- pass them all again. _whole: the lane is read from its start.
create or replace function goalpost.floor_of(_worker uuid, _lane text, _whole boolean)
returns goalpost.place language plpgsql as $$
declare
  _floor goalpost.place;
begin
  if not _whole then
    select f.prio, f.key, f.rank into _floor from goalpost.floors f
    where f.worker = _worker and f.lane = _lane and f.until > extract(epoch from clock_timestamp());
    if found then
      return _floor;
    end if;
  end if;
  return row(-2147483648, '-infinity', '-infinity')::goalpost.place;
end $$;
