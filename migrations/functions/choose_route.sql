-- Keeps which model was drawn for a request; returns what is kept: of several that draw for one request the first counts.
create or replace function goalpost.choose_route(_choice json)
returns table (kind text, provider text, model text, propensity double precision, explored boolean) language plpgsql
as $$
#variable_conflict use_column
begin
  insert into goalpost.llm_choices (request_id, provider, model, kind, run_id, propensity, explored, chosen_at)
  select c."requestId", c.provider, c.model, c.kind, c."runId", c.propensity, c.explored, goalpost.now()
  from json_to_record(_choice) as c("requestId" text, provider text, model text, kind text, "runId" uuid,
    propensity double precision, explored boolean)
  on conflict do nothing;
  return query
    select l.kind, l.provider, l.model, l.propensity, l.explored from goalpost.llm_choices l
    where l.request_id = _choice->>'requestId' and l.propensity is not null;
end $$;
