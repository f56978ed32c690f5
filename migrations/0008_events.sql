-- What happened to runs that are traced, in commit order and without gaps.
create table goalpost.events (
  run_id   uuid not null,
  seq      bigint not null,
  type     text not null,
  position int,
  item     int,
  attempt  int,
  data     json,
  at       timestamptz not null,
  primary key (run_id, seq),
  constraint type_is_known check (type in ('workflow_started', 'workflow_completed', 'workflow_failed',
    'workflow_cancelled', 'workflow_paused', 'workflow_resumed', 'task_started', 'task_completed', 'task_failed',
    'task_retry', 'task_skipped')),
  constraint tasks_have_places check (starts_with(type, 'task_') = (position is not null))
);

-- The last seq of each traced run; locked last in every transaction.
create table goalpost.event_counters (
  run_id uuid primary key,
  seq    bigint not null
) with (fillfactor = 50);

-- Events of transactions that are under way: they get their seq when everything else is locked.
create table goalpost.outbox (
  transaction xid8 not null,
  id          bigint generated always as identity,
  run_id      uuid not null,
  type        text not null,
  position    int,
  item        int,
  attempt     int,
  data        json,
  primary key (transaction, id)
) with (autovacuum_vacuum_scale_factor = 0.01);
