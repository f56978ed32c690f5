-- Maps, conditions, failure policies and limits.

alter table goalpost.steps
  add column on_skip text not null default 'cascade',
  add column on_exhausted text not null default 'fail',
  -- A map's source: the position whose output it maps over, or fixed items; neither: the run's input.
  add column map_over int,
  add column map_items json,
  add column map_concurrency int,
  -- The positions whose outputs a task here is given, those behind its gates included.
  add column inputs int[] not null default '{}',
  add constraint on_skip_is_known check (on_skip in ('cascade', 'continue')),
  add constraint on_exhausted_is_known check (on_exhausted in ('fail', 'cascade', 'continue')),
  add constraint only_maps_map check (kind = 'map' or (map_over is null and map_items is null and map_concurrency is null)),
  add constraint map_concurrency_is_positive check (map_concurrency > 0);

with recursive input (definition_id, position, src, reason) as (
  select e.definition_id, e.dst, e.src, e.reason from goalpost.edges e
  union
  select i.definition_id, i.position, e.src, e.reason
  from input i join goalpost.edges e on e.definition_id = i.definition_id and e.dst = i.src
  where i.reason = 'gate')
update goalpost.steps s set inputs = i.positions
from (
  select i.definition_id, i.position, array_agg(distinct i.src) as positions
  from input i join goalpost.steps n on n.definition_id = i.definition_id and n.position = i.src
  where i.reason <> 'gate' and n.kind in ('step', 'map', 'join') group by 1, 2) i
where s.definition_id = i.definition_id and s.position = i.position;

-- A map task is expanded into items when its dependencies are final: from then on deps_left counts its items that are
-- not final. An item that waits (deps_left 1) waits for one of those before it to make room; next_item is the first of
-- them.
alter table goalpost.tasks
  add column next_item int;

alter table goalpost.runs
  -- Transitions are written to goalpost.events.
  add column traced boolean not null default false;

-- One check that knows the states is a fifth of the cost of several: the text of a check is parsed for every statement
-- that writes the table. A task is in exactly one of these states, or cannot be stored.
create function goalpost.is_task(_status text, _deps_left int, _has_output boolean, _has_error boolean,
  _has_ended boolean, _has_worker boolean) returns boolean language plpgsql immutable as $$
begin
  return _deps_left >= 0 and case _status
    when 'waiting' then _deps_left > 0 and not _has_output and not _has_error and not _has_ended
    when 'ready' then _deps_left = 0 and not _has_output and not _has_error and not _has_ended
    when 'running' then _deps_left = 0 and not _has_output and not _has_error and not _has_ended and _has_worker
    when 'suspended' then _deps_left = 0 and not _has_output and not _has_error and not _has_ended
    when 'completed' then _deps_left = 0 and not _has_error and _has_ended
    when 'failed' then not _has_output and _has_error and _has_ended
    when 'skipped' then not _has_output and not _has_error and _has_ended
    when 'cancelled' then not _has_output and not _has_error and _has_ended
    else false end;
end $$;
create function goalpost.is_run(_status text, _execution text, _has_output boolean, _has_error boolean,
  _has_ended boolean, _max_parallel int, _running int) returns boolean language plpgsql immutable as $$
begin
  return _execution in ('local', 'distributed') and _running >= 0 and (_max_parallel is null or _max_parallel > 0)
    and case _status
      when 'queued' then not _has_output and not _has_error and not _has_ended
      when 'running' then not _has_output and not _has_error and not _has_ended
      when 'paused' then not _has_output and not _has_error and not _has_ended
      when 'completed' then _has_output and not _has_error and _has_ended
      when 'failed' then not _has_output and _has_ended
      when 'cancelled' then not _has_output and _has_ended
      else false end;
end $$;
alter table goalpost.tasks
  drop constraint status_is_known,
  drop constraint waits_only_for_dependencies,
  drop constraint works_only_when_dependencies_are_final,
  drop constraint output_only_when_completed,
  drop constraint error_when_failed,
  drop constraint finished_when_final,
  drop constraint worker_when_running,
  add constraint task_is_in_a_legal_state check (goalpost.is_task(
    status, deps_left, output is not null, error is not null, finished_at is not null, worker is not null));
alter table goalpost.runs
  drop constraint status_is_known,
  drop constraint execution_is_known,
  drop constraint finished_when_final,
  drop constraint output_when_completed,
  drop constraint error_when_not_completed,
  add constraint run_is_in_a_legal_state check (goalpost.is_run(
    status, execution, output is not null, error is not null, finished_at is not null, max_parallel, running));

-- What a part of an exchange did: runs that ended, tasks that it handed to the worker, and the lanes that it queued others in.
-- known: what the worker need not be told because it has just told it: see reply.
create type goalpost.advanced as (over uuid[], runs uuid[], positions int[], items int[], deliveries int[],
  queued text[], known text[]);
-- A task that advance() decided.
create type goalpost.decided as (run_id uuid, "position" int, definition_id bigint, kind text, status text, delivery int,
  skip boolean, cascades boolean, lane text, limited boolean);
-- The best place in a worker's lanes that is taken; null if the lanes are empty.
create type goalpost.place as (prio int, key double precision, rank double precision);
