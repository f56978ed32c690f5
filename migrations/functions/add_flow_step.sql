-- Adds a step to a flow, or says why not. Who adds to one flow takes turns at its row, so positions have no gaps, and
-- a step that is there already is found. outcome: 'added' or 'exists' (pos is its position), 'no_flow', 'full',
-- 'unknown_dependency' or 'cycle' (names are the dependencies that are at fault).
create or replace function goalpost.add_flow_step(_flow text, _step text, _kind text, _after text[], _over text,
  _concurrency int, _items json, _options json, out outcome text, out pos int, out names text[])
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _id      bigint;
  _count   int;
  _sources int[];
begin
  select f.id, f.step_count into _id, _count from goalpost.flows f where f.name = _flow for update;
  if not found then
    outcome := 'no_flow';
    return;
  end if;
  select array_agg(distinct s.position), coalesce(array_agg(distinct d.name) filter (where s.position is null), '{}')
  into _sources, names
  from unnest(_after || _over) d(name)
  left join lateral (select position from goalpost.flow_steps where flow_id = _id and name = d.name offset 0) s on true
  where d.name is not null;
  if cardinality(names) > 0 then
    outcome := 'unknown_dependency';
    return;
  end if;
  select s.position into pos from goalpost.flow_steps s where s.flow_id = _id and s.name = _step;
  if found then
    names := array(
      with recursive behind as (
        select pos as position
        union
        select e.dst from behind b
        cross join lateral (select dst from goalpost.flow_edges where flow_id = _id and src = b.position offset 0) e)
      select s.name from behind b
      cross join lateral (
        select name from goalpost.flow_steps where flow_id = _id and position = b.position offset 0) s
      where b.position = any(_sources) order by 1);
    outcome := case when cardinality(names) > 0 then 'cycle' else 'exists' end;
    return;
  end if;
  if _count >= 10000 then
    outcome := 'full';
    return;
  end if;

  insert into goalpost.flow_steps (flow_id, position, name, kind, over, concurrency, items, options)
  values (_id, _count, _step, _kind,
    (select s.position from goalpost.flow_steps s where s.flow_id = _id and s.name = _over),
    _concurrency, _items, _options);
  insert into goalpost.flow_edges (flow_id, src, dst)
  select _id, s.position, _count from unnest(_sources) s(position);
  update goalpost.flows set step_count = _count + 1 where id = _id;
  outcome := 'added';
  pos := _count;
end $$;
