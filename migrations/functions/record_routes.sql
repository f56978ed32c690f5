-- Adds what came of requests to what is known of their models: each outcome once, however often it is told. A score that a
-- person gave before counts in place of the outcome's.
-- _outcomes: RouteOutcomes, with provider, model, propensity and explored beside the other fields.
-- _keep: what is left of a kind's judged answers for each one that is added; of costs, times and verdicts for each request
--   of the model; of availability for each request of the model.
--
-- Lock order of the routing functions: choices by request and model, then statistics by kind and model.
create or replace function goalpost.record_routes(_outcomes json, _keep double precision[]) returns void language plpgsql
as $$
declare
  _at    timestamptz := goalpost.now();
  _new   json;
  _kinds text[];
begin
  with outcome as (
    select distinct on (o."requestId", o.provider, o.model) o.*
    from json_to_recordset(_outcomes) as o("requestId" text, provider text, model text, kind text, "runId" uuid,
      propensity double precision, explored boolean, answered boolean, score double precision, signal text, verdict boolean,
      available boolean, "costUsd" double precision, "durationMs" double precision, "inputTokens" bigint, "outputTokens" bigint)
    order by o."requestId", o.provider, o.model),
  told as (
    insert into goalpost.llm_choices as c
      (request_id, provider, model, kind, run_id, propensity, explored, answered, settled, score, signal, chosen_at)
    select o."requestId", o.provider, o.model, o.kind, o."runId", o.propensity, coalesce(o.explored, false), o.answered, true,
      o.score, o.signal, _at
    from outcome o order by 1, 2, 3
    on conflict (request_id, provider, model) do update
    set kind = excluded.kind, answered = excluded.answered, settled = true, score = coalesce(c.score, excluded.score),
      signal = coalesce(c.signal, excluded.signal)
    where not c.settled
    returning c.request_id, c.provider, c.model, c.score as counted)
  select json_agg(json_build_object('request', t.request_id, 'provider', t.provider, 'model', t.model, 'kind', o.kind,
      'score', t.counted, 'answered', o.answered, 'verdict', o.verdict, 'available', o.available, 'cost', o."costUsd",
      'ms', ln(greatest(o."durationMs", 1)), 'input', o."inputTokens", 'output', o."outputTokens")),
    array_agg(distinct o.kind)
  into _new, _kinds
  from told t join outcome o on o."requestId" = t.request_id and o.provider = t.provider and o.model = t.model;
  if _new is null then
    return;
  end if;

  insert into goalpost.model_stats (kind, provider, model, changed_at)
  select distinct n.kind, n.provider, n.model, _at
  from json_to_recordset(_new) as n(kind text, provider text, model text) order by 1, 2, 3
  on conflict do nothing;
  perform 1 from goalpost.model_stats s where s.kind = any(_kinds) order by s.kind, s.provider, s.model for update;

  with new as (
    select * from json_to_recordset(_new) as n(kind text, provider text, model text, score double precision, answered boolean,
      verdict boolean, available boolean, cost double precision, ms double precision, input bigint, output bigint)),
  judged as (
    select n.kind, count(n.score) as count from new n group by n.kind),
  sums as (
    select n.kind, n.provider, n.model, count(n.score) as samples, coalesce(sum(n.score), 0) as successes,
      coalesce(sum(1 - n.score), 0) as failures, count(*) filter (where n.answered) as calls,
      count(n.cost) filter (where n.answered) as priced, coalesce(sum(n.cost) filter (where n.answered), 0) as cost,
      coalesce(sum(n.input) filter (where n.answered), 0) as input,
      coalesce(sum(n.output) filter (where n.answered), 0) as output,
      coalesce(sum(n.ms) filter (where n.answered), 0) as ms, coalesce(sum(n.ms ^ 2) filter (where n.answered), 0) as squares,
      count(*) filter (where n.verdict) as accepted, count(*) filter (where not n.verdict) as rejected,
      count(*) filter (where n.available) as available, count(*) filter (where not n.available) as unavailable
    from new n group by n.kind, n.provider, n.model)
  update goalpost.model_stats s
  set samples = s.samples + coalesce(d.samples, 0),
    successes = goalpost.faded(s.successes, _keep[1], j.count) + coalesce(d.successes, 0),
    failures = goalpost.faded(s.failures, _keep[1], j.count) + coalesce(d.failures, 0),
    calls = goalpost.faded(s.calls, _keep[2], k.calls) + k.calls,
    priced = goalpost.faded(s.priced, _keep[2], k.calls) + coalesce(d.priced, 0),
    cost_usd = goalpost.faded(s.cost_usd, _keep[2], k.calls) + coalesce(d.cost, 0),
    input_tokens = goalpost.faded(s.input_tokens, _keep[2], k.calls) + coalesce(d.input, 0),
    output_tokens = goalpost.faded(s.output_tokens, _keep[2], k.calls) + coalesce(d.output, 0),
    log_ms = goalpost.faded(s.log_ms, _keep[2], k.calls) + coalesce(d.ms, 0),
    log_ms_squares = goalpost.faded(s.log_ms_squares, _keep[2], k.calls) + coalesce(d.squares, 0),
    accepted = goalpost.faded(s.accepted, _keep[2], k.verdicts) + coalesce(d.accepted, 0),
    rejected = goalpost.faded(s.rejected, _keep[2], k.verdicts) + coalesce(d.rejected, 0),
    available = goalpost.faded(s.available, _keep[3], k.looks) + coalesce(d.available, 0),
    unavailable = goalpost.faded(s.unavailable, _keep[3], k.looks) + coalesce(d.unavailable, 0),
    unavailable_at = case when d.unavailable > 0 then _at else s.unavailable_at end,
    changed_at = _at
  from goalpost.model_stats t
  join judged j on j.kind = t.kind
  left join sums d on d.kind = t.kind and d.provider = t.provider and d.model = t.model
  cross join lateral (select coalesce(d.calls, 0) as calls, coalesce(d.accepted + d.rejected, 0) as verdicts,
    coalesce(d.available + d.unavailable, 0) as looks) k
  where s.kind = t.kind and s.provider = t.provider and s.model = t.model;

  update goalpost.llm_choices c
  set at_samples = (select sum(s.samples) from goalpost.model_stats s where s.kind = c.kind)
  from json_to_recordset(_new) as n(request text, provider text, model text, score double precision)
  where n.score is not null and c.request_id = n.request and c.provider = n.provider and c.model = n.model;
end $$;
