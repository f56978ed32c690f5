-- The nodes that may be planned again together with a join or end node (_scope): those within it that no later plan has
-- replaced, joins before what is within them. What was within a compound task that was replaced, and goes on or is
-- completed, counts as if it had been right within the next join around it.
create or replace function goalpost.plan_nodes(_run uuid, _definition bigint, _scope int)
returns setof goalpost.plan_node language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _gone int[] := array(
    select position from goalpost.steps where definition_id = _definition and kind = 'join' and replaced is not null);
begin
  return query
  select s.position, coalesce((
      select w.position from unnest(s.within) with ordinality w(position, ord)
      where w.ord > array_position(s.within, _scope) and w.position <> all(_gone) order by w.ord limit 1), s.position),
    s.within[cardinality(s.within)], s.kind, t.status,
    s.kind in ('step', 'map') and case t.status
      when 'ready' then t.delivery > 0
      when 'waiting' then s.kind = 'map' and exists (
        select 1 from goalpost.tasks where run_id = _run and position = s.position and item = 0)
      when 'suspended' then not exists (
        select 1 from goalpost.waits w
        where w.run_id = _run and w.position = s.position and w.item = -1 and w.key = '/approval' and w.state = 'waiting')
      else true end,
    t.finished_at is not null
  from goalpost.steps s
  cross join lateral (
    select status, delivery, finished_at from goalpost.tasks
    where run_id = _run and position = s.position and item = -1 offset 0) t
  where s.definition_id = _definition and s.replaced is null and _scope = any(s.within)
  order by s.position;
end $$;
