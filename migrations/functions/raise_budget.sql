-- Gives a budget new limits; null leaves one as it is. Returns null, or the first unit of which more is spent already.
create or replace function goalpost.raise_budget(_id bigint, _nano_usd bigint, _tokens bigint, _calls bigint) returns text
language plpgsql as $$
declare
  _budget goalpost.budgets;
begin
  select b.* into _budget from goalpost.budgets b where b.id = _id for update;
  if _nano_usd < _budget.spent_nano_usd then
    return 'usd';
  elsif _tokens < _budget.spent_tokens then
    return 'tokens';
  elsif _calls < _budget.spent_calls then
    return 'calls';
  end if;
  update goalpost.budgets b set changed_at = goalpost.now(),
    limit_nano_usd = coalesce(_nano_usd, b.limit_nano_usd), limit_tokens = coalesce(_tokens, b.limit_tokens),
    limit_calls = coalesce(_calls, b.limit_calls),
    warned_usd = goalpost.warned_share(b.spent_nano_usd, coalesce(_nano_usd, b.limit_nano_usd), 0),
    warned_tokens = goalpost.warned_share(b.spent_tokens, coalesce(_tokens, b.limit_tokens), 0),
    warned_calls = goalpost.warned_share(b.spent_calls, coalesce(_calls, b.limit_calls), 0)
  where b.id = _id;
  return null;
end $$;
