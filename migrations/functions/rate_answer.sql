-- Notes what a person thinks of an answer. It replaces what was thought of it before, with the weight that it has left.
-- _id: a request of the ledger, or one of its calls; _run: the run of workflow LlmRequest that carried it out, or null.
-- _keep: what is left of a kind's judged answers for each one that is added.
-- Returns { outcome: "rated", requestId, provider, model } · { outcome: "unanswered" }: there is no answer (yet) · { outcome:
--   "unknown" }.
create or replace function goalpost.rate_answer(_id text, _run uuid, _score double precision, _note text, _keep double precision)
returns json language plpgsql
as $$
declare
  _call   record;
  _known  boolean;
  _choice goalpost.llm_choices;
  _count  bigint;
  _weight double precision;
begin
  select c.request_id, c.provider, c.model into _call from (
    select * from goalpost.llm_calls where id = _id
    union all select * from goalpost.llm_calls where request_id = _id
    union all select * from goalpost.llm_calls where run_id = _run and workflow = 'LlmRequest'
      and root_run_id = (select r.root_run_id from goalpost.runs r where r.id = _run)) c
  where c.kind = 'chat' and c.status = 'ok' order by c.id = _id desc, c.ended_at desc, c.id desc limit 1;
  if not found then
    _known := exists (select 1 from goalpost.llm_calls where id = _id)
      or exists (select 1 from goalpost.llm_calls where request_id = _id)
      or exists (select 1 from goalpost.runs where id = _run and workflow = 'LlmRequest');
    return json_build_object('outcome', case when _known then 'unanswered' else 'unknown' end);
  end if;

  insert into goalpost.llm_choices (request_id, provider, model, chosen_at)
  values (_call.request_id, _call.provider, _call.model, goalpost.now()) on conflict do nothing;
  select * into _choice from goalpost.llm_choices c
  where c.request_id = _call.request_id and c.provider = _call.provider and c.model = _call.model for update;
  if _choice.settled then
    perform 1 from goalpost.model_stats s where s.kind = _choice.kind order by s.kind, s.provider, s.model for update;
    if _choice.score is null then
      update goalpost.model_stats s set successes = goalpost.faded(successes, _keep, 1), failures = goalpost.faded(failures, _keep, 1)
      where s.kind = _choice.kind;
      update goalpost.model_stats s set samples = samples + 1, successes = successes + _score, failures = failures + 1 - _score
      where s.kind = _choice.kind and s.provider = _choice.provider and s.model = _choice.model;
      _choice.at_samples := (select sum(s.samples) from goalpost.model_stats s where s.kind = _choice.kind);
    else
      _count := (select sum(s.samples) from goalpost.model_stats s where s.kind = _choice.kind);
      _weight := goalpost.faded(_score - _choice.score, _keep, greatest(0, _count - _choice.at_samples));
      update goalpost.model_stats s
      set successes = greatest(0, successes + _weight), failures = greatest(0, failures - _weight)
      where s.kind = _choice.kind and s.provider = _choice.provider and s.model = _choice.model;
    end if;
  end if;
  update goalpost.llm_choices c
  set score = _score, signal = 'user', note = _note, at_samples = _choice.at_samples
  where c.request_id = _choice.request_id and c.provider = _choice.provider and c.model = _choice.model;
  return json_build_object('outcome', 'rated', 'requestId', _call.request_id, 'provider', _call.provider, 'model', _call.model);
end $$;
