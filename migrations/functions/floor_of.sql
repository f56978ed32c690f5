-- The place from which a lane is read: the lowest one, or where this connection last took from it if reading it from
-- the start was slow a moment ago. While some old snapshot is open, rows that were taken stay in the index, and every
-- look would pass them all again. The floor is kept with the connection, not the worker: it only says where to begin.
create or replace function goalpost.floor_of(_lane text, _whole boolean) returns goalpost.place language plpgsql as $$
declare
  _floor json := nullif(current_setting('goalpost.floors', true), '')::json->_lane;
begin
  if _whole or _floor is null or (_floor->>0)::double precision < extract(epoch from clock_timestamp()) then
    return row(-2147483648, '-infinity', '-infinity')::goalpost.place;
  end if;
  return row((_floor->>1)::int, (_floor->>2)::double precision, (_floor->>3)::double precision)::goalpost.place;
end $$;
