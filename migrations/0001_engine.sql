-- The engine's tables. Words are those of the README's table.
--
-- Values that users make (inputs, outputs, errors, specs) are json, not jsonb: json keeps the text as it is
-- written, so every string that JavaScript can hold survives (jsonb refuses \u0000 and lone surrogates), keys
-- keep their order, and one odd output cannot make the whole batch that carries it fail.
--
-- There are no foreign keys between the hot tables: each would lock and probe a parent row for every task.
-- Rows are written only by the functions beside this file, and removed a run at a time.

-- The clock of every rule: the database's, unless a test has moved it for this transaction.
create function goalpost.now() returns timestamptz language sql stable
as $$ select coalesce(nullif(current_setting('goalpost.fake_now', true), '')::timestamptz, now()) $$;

-- Static and dynamic definitions are immutable and shared by shape hash; a planned run owns a private one that
-- only grows.
create table goalpost.definitions (
  id            bigint generated always as identity primary key,
  name          text not null,
  hash          text not null,
  source        text not null,
  run_id        uuid,
  next_position int not null default 0,
  created_at    timestamptz not null default goalpost.now(),
  constraint source_is_known check (source in ('static', 'dynamic', 'planned')),
  constraint planned_definitions_are_private check ((source = 'planned') = (run_id is not null))
);
create unique index definitions_shared on goalpost.definitions (name, hash) where run_id is null;
create unique index definitions_private on goalpost.definitions (run_id) where run_id is not null;

-- Kinds that a worker executes: step, map, plan. Kinds that settle by themselves when their last dependency is
-- final: gate (lets the dependencies of a compound task through to its subtasks), join (gathers the outputs of
-- its leaves), end (finishes the run).
create table goalpost.steps (
  definition_id bigint not null,
  position      int not null,
  name          text not null,
  kind          text not null,
  dependencies  int not null,
  rank          double precision not null,
  lane          text,
  step          text,
  spec          json not null,
  primary key (definition_id, position),
  constraint kind_is_known check (kind in ('step', 'map', 'plan', 'gate', 'join', 'end')),
  constraint dependencies_are_counted check (dependencies >= 0)
);

create unique index steps_by_name on goalpost.steps (definition_id, name);

create table goalpost.edges (
  definition_id bigint not null,
  src           int not null,
  dst           int not null,
  reason        text not null,
  optional      boolean not null default false,
  primary key (definition_id, src, dst),
  constraint reason_is_known check (reason in ('data', 'order', 'conflict', 'gate')),
  constraint no_self_edge check (src <> dst)
);
create index edges_into on goalpost.edges (definition_id, dst);

create table goalpost.runs (
  id              uuid primary key,
  definition_id   bigint not null,
  workflow        text not null,
  source          text not null,
  status          text not null,
  execution       text not null,
  lane            text not null,
  prio            int not null,
  key             double precision not null,
  owner           uuid,
  parent_run_id   uuid,
  parent_position int,
  root_run_id     uuid not null,
  retry_of        uuid,
  idempotency_key text,
  input_hash      text,
  max_parallel    int,
  running         int not null default 0,
  input           json not null,
  settings        json,
  labels          jsonb,
  output          json,
  error           json,
  deadline_at     timestamptz,
  created_at      timestamptz not null,
  finished_at     timestamptz,
  constraint status_is_known check (status in ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')),
  constraint execution_is_known check (execution in ('local', 'distributed')),
  constraint finished_when_final check ((status in ('completed', 'failed', 'cancelled')) = (finished_at is not null)),
  constraint output_when_completed check ((status = 'completed') = (output is not null)),
  constraint error_when_not_completed check (error is null or status in ('failed', 'cancelled'))
) with (fillfactor = 50);
create unique index runs_idempotent on goalpost.runs (workflow, idempotency_key) where idempotency_key is not null;
-- No index names status: a run's end would then touch every index of its row.
create index runs_by_age on goalpost.runs (created_at, id);
create index runs_by_goal on goalpost.runs (input_hash, created_at) where source = 'planned';
create index runs_by_parent on goalpost.runs (parent_run_id) where parent_run_id is not null;

-- item is -1 for a task, 0… for the items of a map. delivery rises at every hand-out and only fences; failures
-- rises when a try fails; losses rises when the worker that had the task is lost.
create table goalpost.tasks (
  run_id        uuid not null,
  position      int not null,
  item          int not null,
  definition_id bigint not null,
  status        text not null,
  deps_left     int not null,
  skip          boolean not null default false,
  delivery      int not null default 0,
  failures      int not null default 0,
  losses        int not null default 0,
  worker        uuid,
  started_at    timestamptz,
  finished_at   timestamptz,
  input         json,
  output        json,
  error         json,
  primary key (run_id, position, item),
  constraint status_is_known check (status in
    ('waiting', 'ready', 'running', 'suspended', 'completed', 'failed', 'skipped', 'cancelled')),
  constraint waits_only_for_dependencies check (status <> 'waiting' or deps_left > 0),
  constraint works_only_when_dependencies_are_final check
    (deps_left = 0 or (deps_left > 0 and status in ('waiting', 'skipped', 'failed', 'cancelled'))),
  constraint output_only_when_completed check (output is null or status = 'completed'),
  constraint error_when_failed check ((status = 'failed') = (error is not null)),
  constraint finished_when_final check
    ((status in ('completed', 'failed', 'skipped', 'cancelled')) = (finished_at is not null)),
  constraint worker_when_running check (status <> 'running' or worker is not null)
) with (fillfactor = 60);

-- What can be claimed, and nothing else: narrow, so that updates of tasks stay in their page. lane '@' holds
-- what is delayed, by due time in key; to_lane says where it goes then.
create table goalpost.ready (
  lane     text not null,
  prio     int not null,
  key      double precision not null,
  rank     double precision not null,
  run_id   uuid not null,
  position int not null,
  item     int not null,
  to_lane  text
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
create index ready_order on goalpost.ready (lane, prio, key, rank);

-- What one exchange handed out, as parallel arrays: the answer to a repeated call, and the list of what a lost
-- worker held.
create table goalpost.handouts (
  worker     uuid not null,
  seq        bigint not null,
  run_ids    uuid[] not null,
  positions  int[] not null,
  items      int[] not null,
  deliveries int[] not null,
  at         timestamptz not null,
  primary key (worker, seq)
) with (autovacuum_vacuum_scale_factor = 0.01);

create table goalpost.instances (
  worker       uuid primary key,
  name         text not null,
  host         text not null,
  pid          int not null,
  version      text not null,
  status       text not null,
  lanes        text[] not null,
  beat         bigint not null default 0,
  lock_key     bigint,
  session_lock boolean not null default false,
  load         jsonb not null default '{}',
  started_at   timestamptz not null,
  heartbeat_at timestamptz not null,
  constraint status_is_known check (status in ('online', 'stopped', 'lost'))
) with (fillfactor = 50);
create index instances_by_status on goalpost.instances (status);

-- One row per failed or lost try.
create table goalpost.attempts (
  run_id      uuid not null,
  position    int not null,
  item        int not null,
  delivery    int not null,
  outcome     text not null,
  error       json,
  worker      uuid,
  started_at  timestamptz,
  finished_at timestamptz not null,
  primary key (run_id, position, item, delivery),
  constraint outcome_is_known check (outcome in ('failed', 'lost'))
);

-- What ctx.once remembers for a task.
create table goalpost.checkpoints (
  run_id   uuid not null,
  position int not null,
  item     int not null,
  key      text not null,
  value    json not null,
  at       timestamptz not null,
  primary key (run_id, position, item, key)
);

-- Graphs that were planned without being run.
create table goalpost.plans (
  id         uuid primary key,
  goal       json not null,
  graph      json not null,
  created_at timestamptz not null default goalpost.now()
);
