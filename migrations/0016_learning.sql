-- What past runs tell of each kind of work, and what was decided by it. Written off the hot path, in batches.

-- A summary of samples for each kind of work at each level: step (a task of a graph that recurs), model (a step by model
-- and size of its input), kind (a step), global. summary is what src/core/summary.ts writes; the columns beside it are those
-- that are added up over many rows. origin: '' for what this database's own workers saw, else whose samples they are.
create table goalpost.step_stats (
  origin   text not null default '',
  key      text not null,
  level    text not null,
  step     text not null,
  samples  bigint not null default 0,
  mean_log double precision not null default 0,
  m2_log   double precision not null default 0,
  summary  json,
  last_at  timestamptz not null default goalpost.now(),
  primary key (origin, key),
  constraint level_is_known check (level in ('step', 'model', 'kind', 'global')),
  constraint samples_are_counted check (samples >= 0 and m2_log >= 0)
) with (fillfactor = 70);
create index step_stats_by_step on goalpost.step_stats (step, level);

-- One row per decision of the optimizer: what was changed or left, on what evidence, and what came of it.
create table goalpost.decisions (
  run_id      uuid not null,
  plan        int not null,
  number      int not null,
  kind        text not null,
  tasks       text[] not null,
  change      text not null,
  reason      text not null,
  samples     bigint not null,
  adopted     boolean not null,
  predicted   json,
  level       text not null,
  snapshot_id text not null,
  realised    json,
  decided_at  timestamptz not null,
  primary key (run_id, plan, number),
  constraint level_is_known check (level in ('basic', 'advanced', 'aggressive'))
);
