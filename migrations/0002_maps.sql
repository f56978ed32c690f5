-- Maps, conditions, failure policies and limits.

alter table goalpost.steps
  add column on_skip text not null default 'cascade',
  add column on_exhausted text not null default 'fail',
  -- A map's source: the position whose output it maps over; null: the run's input.
  add column map_over int,
  add column map_concurrency int,
  -- The positions whose outputs a task here is given, those behind its gates included.
  add column inputs int[] not null default '{}',
  add constraint on_skip_is_known check (on_skip in ('cascade', 'continue')),
  add constraint on_exhausted_is_known check (on_exhausted in ('fail', 'cascade', 'continue')),
  add constraint only_maps_map check (kind = 'map' or (map_over is null and map_concurrency is null)),
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
  add column traced boolean not null default false,
  add constraint max_parallel_is_positive check (max_parallel > 0),
  add constraint running_is_counted check (running >= 0);

-- What advance() did: runs that ended, and tasks that it handed to the worker without a detour through goalpost.ready.
create type goalpost.advanced as (over uuid[], runs uuid[], positions int[], items int[], deliveries int[]);
-- A task that advance() decided.
create type goalpost.decided as (run_id uuid, "position" int, definition_id bigint, kind text, status text, delivery int,
  skip boolean, cascades boolean);
-- The best place in a worker's lanes that is taken; null if the lanes are empty.
create type goalpost.place as (prio int, key double precision, rank double precision);
