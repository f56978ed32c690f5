-- Completes runs whose end node is reached; returns those that this call completed.
create or replace function goalpost.finish_runs(_ends uuid[]) returns uuid[] language plpgsql as $$
declare
  _over uuid[];
begin
  with ended as (
    select r.id, s.position from unnest(_ends) i(id)
    join goalpost.runs r on r.id = i.id
    join goalpost.steps s on s.definition_id = r.definition_id and s.kind = 'end'
    order by r.id for update of r),
  finished as (
    update goalpost.runs r set status = 'completed', finished_at = goalpost.now(),
      output = goalpost.gather(r.id, r.definition_id, e.position)
    from ended e where r.id = e.id and r.status in ('running', 'paused')
    returning r.id)
  select coalesce(array_agg(id), '{}') into _over from finished;
  return _over;
end $$;
