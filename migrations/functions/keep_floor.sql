-- Notes where a lane was last taken from, if to read it from its start took long. The floor holds for 20 times as long as
-- that took, and at least 100 ms; then the lane is read from the start again, for rows that were put in below.
create or replace function goalpost.keep_floor(
  _worker uuid, _lane text, _from goalpost.place, _last goalpost.place, _since timestamptz)
returns void language plpgsql as $$
declare
  _took double precision := extract(epoch from clock_timestamp() - _since);
begin
  if _from.key = '-infinity' and _took > 0.005 then
    insert into goalpost.floors (worker, lane, until, prio, key, rank)
    values (_worker, _lane, extract(epoch from clock_timestamp()) + greatest(0.1, 20 * _took),
      _last.prio, _last.key, _last.rank)
    on conflict (worker, lane) do update
      set until = excluded.until, prio = excluded.prio, key = excluded.key, rank = excluded.rank;
  end if;
end $$;
