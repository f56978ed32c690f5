-- The tasks that a compact run has, as rows; none if it is not compact. A task is its owner's from the commit that
-- settled the last of its dependencies.
create or replace function goalpost.compact_tasks(_run uuid) returns setof goalpost.tasks language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _of record;
begin
  select r.definition_id, r.owner, r.created_at, r.journal into _of from goalpost.runs r
  where r.id = _run and r.journal is not null;
  if not found then
    return;
  end if;
  return query
  with done as materialized (
    select (goalpost.json_items(d.v))[1]::text::int as position, (goalpost.json_items(d.v))[2] as output,
      to_timestamp((goalpost.json_items(e.v))[1]::text::double precision) as at
    from json_array_elements(concat('[', rtrim(_of.journal, ','), ']')::json) e(v)
    cross join lateral json_array_elements((goalpost.json_items(e.v))[2]) d(v)),
  node as (
    select s.position, s.kind, d.position is not null as is_done, d.output, d.at, w.unfinished, w.ready_at
    from (select position, kind from goalpost.steps where definition_id = _of.definition_id offset 0) s
    left join done d on d.position = s.position
    cross join lateral (
      select (count(*) - count(x.position))::int as unfinished, coalesce(max(x.at), _of.created_at) as ready_at
      from (select src from goalpost.edges where definition_id = _of.definition_id and dst = s.position offset 0) e
      left join done x on x.position = e.src) w)
  select _run, n.position, -1, _of.definition_id,
    case when n.is_done or (n.kind = 'end' and n.unfinished = 0) then 'completed'
      when n.unfinished > 0 then 'waiting' else 'running' end,
    n.unfinished, false, case when n.kind <> 'end' and n.unfinished = 0 then 1 else 0 end, 0, 0,
    case when n.kind <> 'end' and n.unfinished = 0 then _of.owner end,
    case when n.kind <> 'end' and n.unfinished = 0 then n.ready_at end,
    case when n.is_done then n.at when n.kind = 'end' and n.unfinished = 0 then n.ready_at end,
    null::json, n.output, null::json, null::int
  from node n;
end $$;
