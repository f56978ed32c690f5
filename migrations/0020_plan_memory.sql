-- Plans that reached their goals, for planning the next ones. Written after a run has ended, beside the work.

-- A row per goal, set of steps and plan. goal_key: hash of the goal's text and context; tools: of the schemas of all steps
-- that there were; steps: { name: hash of its schemas } of those that the plan uses; content_hash: of the text that is embedded.
-- goal and tasks are json, which holds every text. failures_in_a_row, last_at: by how the runs of this very plan ended.
create table goalpost.plan_memory (
  id                bigint generated always as identity primary key,
  goal_key          text not null,
  tools             text not null,
  graph_hash        text not null,
  content_hash      text not null,
  goal              json not null,
  tasks             json not null,
  steps             jsonb not null,
  successes         int not null default 1,
  failures          int not null default 0,
  failures_in_a_row int not null default 0,
  last_run          uuid not null,
  last_at           timestamptz not null,
  constraint a_plan_once_for_a_goal unique (goal_key, tools, graph_hash),
  constraint runs_are_counted check (successes > 0 and failures >= failures_in_a_row and failures_in_a_row >= 0)
) with (fillfactor = 70);
create index plan_memory_by_age on goalpost.plan_memory (last_at, id);
create index plan_memory_by_content on goalpost.plan_memory (content_hash);

-- What the texts of those goals are as vectors of length 1; one of them for each model that was ever used for it.
create table goalpost.plan_vectors (
  content_hash text not null,
  model        text not null,
  dimensions   int not null,
  vector       real[] not null,
  primary key (model, content_hash),
  constraint dimensions_are_those_of_the_vector check (cardinality(vector) = dimensions and dimensions > 0)
);
