-- The largest share of a limit, in percent, that has been told of once this much is spent; never less than before.
create or replace function goalpost.warned_share(_spent bigint, _limit bigint, _before int) returns int
language sql immutable as $$
  select greatest(_before, case when _spent >= _limit * 0.8 then 80 when _spent >= _limit * 0.5 then 50 else 0 end);
$$;
