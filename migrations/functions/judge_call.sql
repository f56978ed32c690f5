-- Whether a budget allows another call. exceeded: why not, as an ExceededBudget; in_way: it would, but for what calls
-- under way have reserved.
-- A reserved call will be a spent one, whatever it uses: there is nothing to wait for.
create or replace function goalpost.judge_call(_budget goalpost.budgets, _nano_usd bigint, _tokens bigint,
  out exceeded json, out in_way boolean)
language plpgsql as $$
declare
  _unit record;
begin
  in_way := false;
  for _unit in
    select * from (values
      ('usd', _budget.limit_nano_usd, _budget.spent_nano_usd, _budget.reserved_nano_usd, _nano_usd, 1e9, false),
      ('tokens', _budget.limit_tokens, _budget.spent_tokens, _budget.reserved_tokens, _tokens, 1, false),
      ('calls', _budget.limit_calls, _budget.spent_calls, _budget.reserved_calls, 1, 1, true))
      u(unit, most, spent, reserved, asked, scale, certain)
    where most is not null
  loop
    if _unit.asked is null or _unit.spent + _unit.asked > _unit.most
        or (_unit.certain and _unit.spent + _unit.reserved + _unit.asked > _unit.most) then
      exceeded := json_build_object('of', _budget.scope, 'key', _budget.key, 'unit', _unit.unit,
        'limit', trim_scale(_unit.most / _unit.scale), 'used', trim_scale((_unit.spent + _unit.reserved) / _unit.scale),
        'asked', trim_scale(coalesce(_unit.asked, 0) / _unit.scale),
        -- A higher limit would not help where nobody knows the price.
        'onExceed', case when _unit.asked is null then 'fail' else _budget.on_exceed end,
        'unknownPrice', _unit.asked is null);
      return;
    end if;
    in_way := in_way or _unit.spent + _unit.reserved + _unit.asked > _unit.most;
  end loop;
end $$;
