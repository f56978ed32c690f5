-- Plans that are handed on while they are made, and plans that replace others.

alter table goalpost.steps
  -- Of planned runs: the joins around a node, outermost first; the first is the end. What belongs to a compound task
  -- (its gate, its plan) is within its join. Positions of joins come before those of what is within them.
  add column within int[],
  -- The version of the plan that took its place. It is final from then on, and its name is free: it ends in "@v" and the
  -- version before.
  add column replaced int;

-- How often the plan of a run may be replaced, and how often it was.
alter table goalpost.definitions
  add column max_replans int,
  add column replans int not null default 0;

-- The plans of a run that replace others; the first is version 1. position: the node that makes the plan; scope: the join
-- of what is planned again; failed: the task that is the reason; error: why it failed. diff: what the plan changed, once
-- it is made.
create table goalpost.plan_versions (
  run_id     uuid not null,
  version    int not null,
  position   int not null,
  scope      int not null,
  failed     int not null,
  error      json not null,
  diff       json,
  created_at timestamptz not null,
  primary key (run_id, version),
  constraint versions_begin_with_two check (version > 1)
);

-- A node of what may be planned again, see plan_nodes(). unit: the task right within the scope that it is or belongs to.
-- begun: it is a task that was handed out, or is final.
create type goalpost.plan_node as (position int, unit int, owner int, kind text, status text, begun boolean, final boolean);

alter table goalpost.events
  drop constraint type_is_known,
  add constraint type_is_known check (type in ('workflow_started', 'workflow_completed', 'workflow_failed',
    'workflow_cancelled', 'workflow_paused', 'workflow_resumed', 'task_started', 'task_completed', 'task_failed',
    'task_retry', 'task_skipped', 'budget_warning', 'plan_created', 'plan_replaced'));
