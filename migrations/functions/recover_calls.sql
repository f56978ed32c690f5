-- Settles calls that nobody else will (see orphaned_calls), or _all, with what they reserved, as an estimate. Returns how
-- many.
create or replace function goalpost.recover_calls(_all boolean) returns int language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  if _all then
    return goalpost.close_calls(array(select c.id from goalpost.llm_calls c where c.ended_at is null));
  end if;
  return goalpost.close_calls(array(select o.id from goalpost.orphaned_calls() o));
end $$;
