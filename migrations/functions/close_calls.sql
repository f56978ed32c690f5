-- Settles calls that are still under way as aborted: what they reserved stands as an estimate, until the truth comes.
create or replace function goalpost.close_calls(_ids text[]) returns int language plpgsql as $$
declare
  _call  goalpost.llm_calls;
  _new   goalpost.llm_calls;
  _count int := 0;
begin
  perform 1 from goalpost.llm_calls c where c.id = any(_ids) and c.ended_at is null order by c.id for update;
  -- All of them, in their order: the calls come in another.
  perform 1 from goalpost.budgets b where b.id = any(array(
    select unnest(c.charges) from goalpost.llm_calls c where c.id = any(_ids) and c.ended_at is null)) order by b.id for update;
  for _call in
    select c.* from goalpost.llm_calls c where c.id = any(_ids) and c.ended_at is null order by c.id
  loop
    update goalpost.llm_calls c set status = 'aborted', recovered = true, ended_at = goalpost.now(),
      charged_nano_usd = coalesce(c.reserved_nano_usd, 0)
    where c.id = _call.id returning c.* into _new;
    perform goalpost.charge_budgets(_call, _new);
    _count := _count + 1;
  end loop;
  return _count;
end $$;
