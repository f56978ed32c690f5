-- The share in money that is left of the tightest budget on which a call of the run would be, 0 to 1; null without one.
create or replace function goalpost.budget_left(_run uuid, _labels jsonb) returns double precision language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _line goalpost.run_line;
begin
  if _run is not null then
    _line := goalpost.line_of(_run);
    _labels := _line.labels;
  end if;
  return (
    select min(greatest(0, 1 - (b.spent_nano_usd + b.reserved_nano_usd) / b.limit_nano_usd::double precision))
    from (
      select 'run' as scope, _run::text as key where _run is not null
      union all select 'tree', r::text from unnest(_line.ids) r
      union all select 'label', l.key || '=' || l.value from jsonb_each_text(_labels) l where position('=' in l.key) = 0) k
    cross join lateral (
      select * from goalpost.budgets where scope = k.scope and key = k.key offset 0) b
    where b.limit_nano_usd is not null);
end $$;
