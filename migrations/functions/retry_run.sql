-- Starts a new run from a failed or cancelled one: what was finished is carried over, the rest is done again.
-- Returns false if the old run is unknown or not failed or cancelled.
create or replace function goalpost.retry_run(_old uuid, _new uuid, _worker uuid, _lane text)
returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _definition bigint;
begin
  insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, owner, root_run_id,
    retry_of, input_hash, max_parallel, input, settings, labels, deadline_at, created_at)
  select _new, r.definition_id, r.workflow, r.source, 'running', r.execution,
    case when r.execution = 'local' then _lane else r.lane end, r.prio, extract(epoch from goalpost.now()), _worker, _new,
    _old, r.input_hash, r.max_parallel, r.input, r.settings, r.labels,
    goalpost.now() + (r.deadline_at - r.created_at), goalpost.now()
  from goalpost.runs r where r.id = _old and r.status in ('failed', 'cancelled')
  returning definition_id into _definition;
  if not found then
    return false;
  end if;
  _definition := goalpost.copy_definition(_definition, _new);

  insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, delivery,
    started_at, finished_at, output)
  select _new, t.position, t.item, _definition, case when t.status = 'completed' then 'completed' else 'waiting' end,
    case when t.status = 'completed' then 0 else greatest(1, s.dependencies) end, t.delivery,
    case when t.status = 'completed' then t.started_at end, case when t.status = 'completed' then t.finished_at end,
    t.output
  from goalpost.tasks t join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  where t.run_id = _old;

  insert into goalpost.checkpoints (run_id, position, item, key, value, at)
  select _new, c.position, c.item, c.key, c.value, c.at from goalpost.checkpoints c
  join goalpost.tasks t on t.run_id = _new and t.position = c.position and t.item = c.item and t.status = 'waiting'
  where c.run_id = _old;

  -- What still has to be waited for is what was not carried over.
  with left_over as materialized (
    select t.run_id, t.position, -1 as item, (select count(*) from goalpost.edges e
      join goalpost.tasks d on d.run_id = _new and d.position = e.src and d.item = -1 and d.status <> 'completed'
      where e.definition_id = _definition and e.dst = t.position)::int as n
    from goalpost.tasks t where t.run_id = _new and t.status = 'waiting')
  update goalpost.tasks t set deps_left = l.n, status = case when l.n = 0 then 'ready' else 'waiting' end
  from left_over l where t.run_id = l.run_id and t.position = l.position and t.item = l.item;
  perform goalpost.queue_ready(_new);
  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select '@', 0, extract(epoch from r.deadline_at), 0, _new, -1, -1, '!deadline'
  from goalpost.runs r where r.id = _new and r.deadline_at is not null;
  return true;
end $$;
