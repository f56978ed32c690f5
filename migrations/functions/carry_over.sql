-- Gives a run that retries another the tasks of that one. What was completed stays completed. Everything else is done
-- again, what was skipped included: its condition is asked again. Nothing of what was lost or had failed is counted.
-- What a later plan has replaced stays out.
-- A map that had been expanded keeps its items if what it waited for is carried over as well: its row then waits for
-- those that are not completed, and as many of them as it allows at once are ready. Else it is expanded again.
create or replace function goalpost.carry_over(_old uuid, _new uuid, _definition bigint) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _expanded int[];
begin
  _expanded := array(
    select t.position
    from (select position, definition_id from goalpost.tasks
      where run_id = _old and item = -1 and status <> 'completed' offset 0) t
    where (select replaced is null from goalpost.steps where definition_id = t.definition_id and position = t.position)
      and exists (select 1 from goalpost.tasks i
        where i.run_id = _old and i.position = t.position and i.item >= 0 and i.status <> 'completed')
      and not exists (select 1 from goalpost.edges e
        join goalpost.tasks d on d.run_id = _old and d.position = e.src and d.item = -1 and d.status <> 'completed'
        where e.definition_id = t.definition_id and e.dst = t.position));

  insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, delivery,
    started_at, finished_at, input, output)
  select _new, t.position, t.item, _definition,
    case when t.status = 'completed' then 'completed' when s.replaced is not null then 'cancelled' else 'waiting' end,
    case when t.status = 'completed' or s.replaced is not null then 0 else 1 end, t.delivery,
    case when t.status = 'completed' then t.started_at end,
    case when t.status = 'completed' or s.replaced is not null then t.finished_at end,
    case when t.item >= 0 then t.input end, t.output
  from goalpost.tasks t
  cross join lateral (
    select status from goalpost.tasks
    where run_id = t.run_id and position = t.position and item = -1 offset 0) map
  cross join lateral (
    select replaced from goalpost.steps
    where definition_id = t.definition_id and position = t.position offset 0) s
  where t.run_id = _old and (t.item = -1 or t.position = any(_expanded)
    or (t.status = 'completed' and map.status = 'completed'));

  insert into goalpost.checkpoints (run_id, position, item, key, value, at)
  select _new, c.position, c.item, c.key, c.value, c.at from goalpost.checkpoints c
  join goalpost.tasks t on t.run_id = _new and t.position = c.position and t.item = c.item and t.status <> 'completed'
  where c.run_id = _old;

  insert into goalpost.plan_versions (run_id, version, position, scope, failed, error, diff, created_at)
  select _new, v.version, v.position, v.scope, v.failed, v.error, v.diff, v.created_at
  from goalpost.plan_versions v where v.run_id = _old;

  -- What a task was told before, it is told again; decisions of people and children that completed included.
  insert into goalpost.waits (run_id, position, item, key, kind, name, state, awaited, answer_no, due_at, child_run_id,
    answer, by, note, created_at, answered_at)
  select _new, w.position, w.item, w.key, w.kind, w.name, w.state, w.awaited, w.answer_no, w.due_at, w.child_run_id,
    w.answer, w.by, w.note, w.created_at, w.answered_at
  from goalpost.waits w
  join goalpost.tasks t on t.run_id = _new and t.position = w.position and t.item = w.item and t.status <> 'completed'
  where w.run_id = _old and w.state in ('answered', 'approved') and (w.kind <> 'child' or exists (
    select 1 from goalpost.runs r where r.id = w.child_run_id and r.status = 'completed'));

  with item as materialized (
    select t.run_id, t.position, t.item, row_number() over (partition by t.position order by t.item) as place
    from goalpost.tasks t where t.run_id = _new and t.item >= 0 and t.status = 'waiting')
  update goalpost.tasks t set deps_left = 0, status = 'ready'
  from item i
  cross join lateral (
    select map_concurrency from goalpost.steps where definition_id = _definition and position = i.position offset 0) s
  where t.run_id = i.run_id and t.position = i.position and t.item = i.item
    and i.place <= coalesce(s.map_concurrency, i.place);

  -- What still has to be waited for is what was not carried over.
  with left_over as materialized (
    select t.run_id, t.position, -1 as item, case when t.position = any(_expanded)
      then (select count(*) from goalpost.tasks i
        where i.run_id = _new and i.position = t.position and i.item >= 0 and i.status <> 'completed')
      else (select count(*) from goalpost.edges e
        join goalpost.tasks d on d.run_id = _new and d.position = e.src and d.item = -1 and d.finished_at is null
        where e.definition_id = _definition and e.dst = t.position) end::int as n
    from goalpost.tasks t where t.run_id = _new and t.item = -1 and t.status = 'waiting')
  update goalpost.tasks t set deps_left = l.n, status = case when l.n = 0 then 'ready' else 'waiting' end,
    next_item = (select min(i.item) from goalpost.tasks i
      where i.run_id = t.run_id and i.position = t.position and i.item >= 0 and i.status = 'waiting')
  from left_over l where t.run_id = l.run_id and t.position = l.position and t.item = l.item;
end $$;
