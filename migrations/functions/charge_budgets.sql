-- Moves what a call had reserved to what it spent (_new), or puts right what was spent for it (_call, if it was settled
-- before). Returns [{ of, key, unit, limit, used, percent }, …]: shares that are spent for the first time. They are
-- events of the budget's run, or, of a label, of the run that made the call; a request is too short for warnings.
create or replace function goalpost.charge_budgets(_call goalpost.llm_calls, _new goalpost.llm_calls) returns json
language plpgsql as $$
declare
  _budget   goalpost.budgets;
  _unit     record;
  _open     boolean := _call.status = 'reserved';
  _warning  json;
  _warnings json[];
begin
  if cardinality(_call.charges) = 0 then
    return null;
  end if;
  for _budget in select b.* from goalpost.budgets b where b.id = any(_call.charges) order by b.id for update loop
    update goalpost.budgets b set
      reserved_calls = b.reserved_calls - case when _open then 1 else 0 end,
      reserved_tokens = b.reserved_tokens - case when _open then _call.reserved_tokens else 0 end,
      reserved_nano_usd = b.reserved_nano_usd - case when _open then coalesce(_call.reserved_nano_usd, 0) else 0 end,
      spent_calls = b.spent_calls + case when _open then 1 else 0 end,
      spent_tokens = b.spent_tokens + _new.input_tokens + _new.output_tokens
        - case when _open then 0 else _call.input_tokens + _call.output_tokens end,
      spent_nano_usd = b.spent_nano_usd + _new.charged_nano_usd - case when _open then 0 else _call.charged_nano_usd end
    where b.id = _budget.id returning b.* into _budget;
    continue when _budget.scope = 'request';
    for _unit in
      select u.*, p.percent from (values
        ('usd', _budget.limit_nano_usd, _budget.spent_nano_usd, _budget.warned_usd, 1e9),
        ('tokens', _budget.limit_tokens, _budget.spent_tokens, _budget.warned_tokens, 1),
        ('calls', _budget.limit_calls, _budget.spent_calls, _budget.warned_calls, 1)) u(unit, most, spent, warned, scale)
      cross join (values (50), (80)) p(percent)
      where p.percent > u.warned and u.spent >= u.most * p.percent / 100.0
      order by u.unit desc, p.percent
    loop
      _warning := json_build_object('of', _budget.scope, 'key', _budget.key, 'unit', _unit.unit,
        'limit', trim_scale(_unit.most / _unit.scale), 'used', trim_scale(_unit.spent / _unit.scale),
        'percent', _unit.percent);
      _warnings := _warnings || _warning;
      perform goalpost.emit(r.id, 'budget_warning', _warning) from goalpost.runs r
      where r.id = case when _budget.scope = 'label' then _call.run_id else _budget.key::uuid end
        and r.finished_at is null;
    end loop;
    update goalpost.budgets b set warned_usd = goalpost.warned_share(b.spent_nano_usd, b.limit_nano_usd, b.warned_usd),
      warned_tokens = goalpost.warned_share(b.spent_tokens, b.limit_tokens, b.warned_tokens),
      warned_calls = goalpost.warned_share(b.spent_calls, b.limit_calls, b.warned_calls)
    where b.id = _budget.id and _warnings is not null;
  end loop;
  if _warnings is not null then
    perform goalpost.publish();
  end if;
  return array_to_json(_warnings);
end $$;
