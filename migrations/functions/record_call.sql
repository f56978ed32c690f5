-- Writes a call into the ledger that is over and cost nothing: as reserve_call and settle_call do one after the other.
-- Returns { answer, warnings }: what these return; nothing is settled unless it could be reserved.
create or replace function goalpost.record_call(_call json, _outcome json) returns json language plpgsql as $$
declare
  _answer json := goalpost.reserve_call(_call);
begin
  return json_build_object('answer', _answer,
    'warnings', case when _answer->>'outcome' = 'reserved' then goalpost.settle_call(_outcome) end);
end $$;
