-- What came of asking models, by kind of work, and which model was chosen for which request.

-- One row for each kind and model. Sums are discounted: what is old counts less, see record_routes. successes and failures:
-- judged answers, fractions count; samples: how many there ever were. calls: requests that were answered, of which `priced`
-- have a known price. log_ms: the logarithms of their milliseconds. accepted, rejected: what verifiers of cascades said.
-- available, unavailable: whether the provider served at all, which is no matter of quality.
create table goalpost.model_stats (
  kind            text not null,
  provider        text not null,
  model           text not null,
  samples         bigint not null default 0,
  successes       double precision not null default 0,
  failures        double precision not null default 0,
  calls           double precision not null default 0,
  priced          double precision not null default 0,
  cost_usd        double precision not null default 0,
  input_tokens    double precision not null default 0,
  output_tokens   double precision not null default 0,
  log_ms          double precision not null default 0,
  log_ms_squares  double precision not null default 0,
  accepted        double precision not null default 0,
  rejected        double precision not null default 0,
  available       double precision not null default 0,
  unavailable     double precision not null default 0,
  unavailable_at  timestamptz,
  changed_at      timestamptz not null,
  primary key (kind, provider, model),
  constraint sums_are_counted check (samples >= 0 and successes >= 0 and failures >= 0 and calls >= 0 and priced >= 0
    and cost_usd >= 0 and accepted >= 0 and rejected >= 0 and available >= 0 and unavailable >= 0)
) with (fillfactor = 50);

-- One row for each model that was asked for a request. propensity: how likely it was to be chosen, of the one that was
-- drawn; explored: another looked better. settled: what came of it is in model_stats, with its score if it has one; kind is
-- null until then if somebody was faster to rate it. at_samples: the samples of its kind when the score was counted.
create table goalpost.llm_choices (
  request_id text not null,
  provider   text not null,
  model      text not null,
  kind       text,
  run_id     uuid,
  propensity double precision,
  explored   boolean not null default false,
  answered   boolean not null default false,
  settled    boolean not null default false,
  score      double precision,
  signal     text,
  note       text,
  at_samples bigint,
  chosen_at  timestamptz not null,
  primary key (request_id, provider, model),
  constraint propensity_is_likely check (propensity > 0 and propensity <= 1),
  constraint score_is_a_share check (score >= 0 and score <= 1),
  constraint scores_have_signals check ((score is null) = (signal is null)),
  constraint settled_has_kind check (not settled or kind is not null)
);
create unique index llm_choices_drawn on goalpost.llm_choices (request_id) where propensity is not null;
create index llm_choices_by_time on goalpost.llm_choices (chosen_at);
