-- The book of all LLM and embedding calls, what may be spent, and how fast.
--
-- None of it is read or written by the engine's way of a run, but for the flag `billed`: a run that makes no call costs
-- what it did before. Money is whole nano-USD, here and everywhere.

-- Some call was made on its account, or on that of a run below it.
alter table goalpost.runs add column billed boolean not null default false;

-- One row for each attempt of a call: written as reserved before it, with what it may use at most, and settled after.
-- estimated: the tokens were not told by the provider. recovered: it was settled by others than who made the call,
-- with what was reserved; the truth may still come. charges: the budgets that it is on.
-- There is no foreign key to runs: what was spent stays known when runs are pruned.
create table goalpost.llm_calls (
  id                  text primary key,
  request_id          text not null,
  run_id              uuid,
  root_run_id         uuid,
  workflow            text,
  position            int,
  task                text,
  item                int,
  attempt             int not null,
  instance            text not null,
  worker              uuid not null,
  labels              jsonb,
  kind                text not null,
  provider            text not null,
  model               text not null,
  served_model        text,
  status              text not null default 'reserved',
  recovered           boolean not null default false,
  input_tokens        bigint not null,
  cache_read_tokens   bigint not null default 0,
  cache_write_tokens  bigint not null default 0,
  output_tokens       bigint not null,
  reasoning_tokens    bigint not null default 0,
  estimated           boolean not null default true,
  cost_nano_usd       bigint,
  reserved_tokens     bigint not null,
  reserved_nano_usd   bigint,
  charged_nano_usd    bigint,
  charges             bigint[] not null default '{}',
  price_source        text not null default 'estimate',
  unit_prices         jsonb,
  started_at          timestamptz not null,
  first_text_ms       bigint,
  ended_at            timestamptz,
  finish_reason       text,
  error_kind          text,
  provider_request_id text,
  response_id         text,
  constraint kind_is_known check (kind in ('chat', 'embedding')),
  constraint status_is_known check (status in ('reserved', 'ok', 'error', 'aborted')),
  constraint ended_when_settled check ((status = 'reserved') = (ended_at is null)),
  constraint only_others_recover check (not recovered or status = 'aborted'),
  constraint price_source_is_known check (price_source in ('user', 'provider', 'catalogue', 'unknown', 'estimate')),
  constraint runs_have_roots check ((run_id is null) = (root_run_id is null)),
  constraint usage_is_counted check (input_tokens >= 0 and cache_read_tokens >= 0 and cache_write_tokens >= 0
    and output_tokens >= 0 and reasoning_tokens >= 0 and cost_nano_usd >= 0)
);
create index llm_calls_by_run on goalpost.llm_calls (root_run_id, run_id) where root_run_id is not null;
create index llm_calls_by_request on goalpost.llm_calls (request_id);
create index llm_calls_by_time on goalpost.llm_calls (started_at);
create index llm_calls_open on goalpost.llm_calls (started_at) where ended_at is null;

-- Limits, what is spent of them and what calls under way have reserved. scope tells whose budget it is: that of one
-- request, of a run alone, of a run and all below it, or of all runs with a label; key is the request's or run's id, or
-- the label as key=value. warned: the last share, in percent, that was told of.
create table goalpost.budgets (
  id                bigint generated always as identity primary key,
  scope             text not null,
  key               text not null,
  limit_nano_usd    bigint,
  limit_tokens      bigint,
  limit_calls       bigint,
  spent_nano_usd    bigint not null default 0,
  spent_tokens      bigint not null default 0,
  spent_calls       bigint not null default 0,
  reserved_nano_usd bigint not null default 0,
  reserved_tokens   bigint not null default 0,
  reserved_calls    bigint not null default 0,
  warned_usd        int not null default 0,
  warned_tokens     int not null default 0,
  warned_calls      int not null default 0,
  on_exceed         text not null,
  changed_at        timestamptz not null,
  constraint one_budget_each unique (scope, key),
  constraint scope_is_known check (scope in ('request', 'run', 'tree', 'label')),
  constraint on_exceed_is_known check (on_exceed in ('fail', 'pause')),
  constraint limits_are_positive check (limit_nano_usd > 0 and limit_tokens > 0 and limit_calls > 0),
  constraint reserved_is_counted check (reserved_nano_usd >= 0 and reserved_tokens >= 0 and reserved_calls >= 0)
) with (fillfactor = 50);

-- Runs that a budget paused; raising it lets them go on.
create table goalpost.budget_pauses (
  budget_id bigint not null references goalpost.budgets on delete cascade,
  run_id    uuid not null,
  primary key (budget_id, run_id)
);
create index budget_pauses_by_run on goalpost.budget_pauses (run_id);

-- How full the bucket of a provider, or of `provider/model`, is: calls and tokens that have not drained away by `at`. It
-- drains at the limit's rate and holds a minute's worth. held_until: the provider asked all to wait.
create table goalpost.rate_limits (
  scope      text primary key,
  requests   double precision not null default 0,
  tokens     double precision not null default 0,
  at         timestamptz not null,
  held_until timestamptz
) with (fillfactor = 50);

-- See line_of.
create type goalpost.run_line as (ids uuid[], unbilled uuid[], labels jsonb, root uuid, status text);

alter table goalpost.events
  drop constraint type_is_known,
  add constraint type_is_known check (type in ('workflow_started', 'workflow_completed', 'workflow_failed',
    'workflow_cancelled', 'workflow_paused', 'workflow_resumed', 'task_started', 'task_completed', 'task_failed',
    'task_retry', 'task_skipped', 'budget_warning'));

-- One row per finished run, for reports and other programs. instance_id is the name of the instance that started the
-- run, or its worker's id once the instance is forgotten. completed_at is when the run ended, however it ended.
-- cost_cents is what the calls of this very run cost in US cents, those of its children are in their rows, so that
-- sums are right: 0 if it made none, null if the price of one is unknown.
-- The error's code is read off the text: decoding the json would stumble over strings with \u0000.
create or replace view goalpost.job_results as
select r.id as run_id, r.workflow, r.source, coalesce(i.name, coalesce(r.first_owner, r.owner)::text) as instance_id,
  r.status, substring(r.error::text from '^\s*\{\s*"code"\s*:\s*"([A-Z_]+)"') as error_code,
  case when r.billed then c.cents else 0 end as cost_cents,
  round(extract(epoch from r.finished_at - r.created_at) * 1000)::bigint as duration_ms,
  r.labels, r.idempotency_key, r.parent_run_id, r.retry_of,
  r.created_at as inserted_at, r.finished_at as completed_at
from goalpost.runs r left join goalpost.instances i on i.worker = coalesce(r.first_owner, r.owner)
cross join lateral (
  select case when count(*) = count(cost_nano_usd) then coalesce(sum(cost_nano_usd), 0) / 10000000.0 end as cents
  from goalpost.llm_calls where r.billed and root_run_id = r.root_run_id and run_id = r.id) c
where r.finished_at is not null;
