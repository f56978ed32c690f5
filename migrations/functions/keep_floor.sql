-- Notes where a lane was last taken from, if to read it from _from on took long. A floor holds for 20 times as long as
-- that took, and at least 100 ms; then the lane is read from the start again, for rows that were put in below.
create or replace function goalpost.keep_floor(_lane text, _from goalpost.place, _last goalpost.place, _since timestamptz)
returns void language plpgsql as $$
declare
  _floors jsonb := coalesce(nullif(current_setting('goalpost.floors', true), ''), '{}')::jsonb;
  _took   double precision := extract(epoch from clock_timestamp() - _since);
  _until  double precision;
begin
  if _from.key > '-infinity' then
    _until := (_floors->_lane->>0)::double precision;
  elsif _took > 0.005 then
    _until := extract(epoch from clock_timestamp()) + greatest(0.1, 20 * _took);
  end if;
  if _until is not null then
    perform set_config('goalpost.floors',
      (_floors || jsonb_build_object(_lane, array[_until, _last.prio, _last.key, _last.rank]))::text, false);
  end if;
end $$;
