-- Gives a label a budget, or changes it; what is spent stays. _budget: see start_extras. Returns its id.
create or replace function goalpost.set_budget(_scope text, _key text, _budget json) returns bigint language plpgsql as $$
declare
  _id bigint;
begin
  insert into goalpost.budgets as b (scope, key, limit_nano_usd, limit_tokens, limit_calls, on_exceed, changed_at)
  values (_scope, _key, (_budget->>1)::bigint, (_budget->>2)::bigint, (_budget->>3)::bigint, _budget->>4, goalpost.now())
  on conflict (scope, key) do update set limit_nano_usd = excluded.limit_nano_usd, limit_tokens = excluded.limit_tokens,
    limit_calls = excluded.limit_calls, on_exceed = excluded.on_exceed, changed_at = excluded.changed_at,
    warned_usd = goalpost.warned_share(b.spent_nano_usd, excluded.limit_nano_usd, 0),
    warned_tokens = goalpost.warned_share(b.spent_tokens, excluded.limit_tokens, 0),
    warned_calls = goalpost.warned_share(b.spent_calls, excluded.limit_calls, 0)
  returning b.id into _id;
  return _id;
end $$;
