-- What a run and all below it used, by provider and model. What is under way is left out while the run goes on; once it
-- is final it counts as it was reserved, and of a completed run nobody can change it any more: its result is out.
-- Also of runs that are pruned, if nobody else started them.
create or replace function goalpost.usage_of_run(_run uuid)
returns table (known boolean, provider text, model text, input_tokens numeric, cache_read_tokens numeric,
  cache_write_tokens numeric, output_tokens numeric, reasoning_tokens numeric, calls bigint, cost_nano_usd numeric,
  estimated boolean)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _of    record;
  _root  uuid := _run;
  _whole boolean := true;
  _tree  uuid[];
begin
  select r.status, r.root_run_id, r.finished_at is not null as final into _of from goalpost.runs r where r.id = _run;
  if found and _of.root_run_id <> _run then
    _whole := false;
    _root := _of.root_run_id;
    _tree := array(
      with recursive tree as (
        select _run as id
        union
        select r.id from tree
        cross join lateral (select id from goalpost.runs where parent_run_id = tree.id offset 0) r)
      select id from tree);
  end if;
  if _of.status = 'completed' then
    perform goalpost.close_calls(array(
      select c.id from goalpost.llm_calls c
      where c.root_run_id = _root and (_whole or c.run_id = any(_tree)) and c.ended_at is null));
  end if;
  return query
    select _of.status is not null, c.provider, c.model, sum(c.input_tokens), sum(c.cache_read_tokens),
      sum(c.cache_write_tokens), sum(c.output_tokens), sum(c.reasoning_tokens), count(*),
      case when count(*) = count(c.cost_nano_usd) then sum(c.cost_nano_usd) end,
      bool_or(c.estimated or c.price_source = 'estimate')
    from goalpost.llm_calls c
    where c.root_run_id = _root and (_whole or c.run_id = any(_tree)) and (c.ended_at is not null or _of.final)
    group by c.provider, c.model order by c.provider, c.model;
end $$;
