-- Completes runs whose end node is reached; returns those that this call completed.
create or replace function goalpost.finish_runs(_ends uuid[]) returns uuid[] language plpgsql as $$
declare
  _over uuid[];
begin
  with ended as materialized (
    select i.run_id, array['running', 'paused'] as active, goalpost.gather(i.run_id, r.definition_id, s.position) as output
    from goalpost.read_ids(_ends) i
    cross join lateral (select definition_id from goalpost.runs where id = i.run_id offset 0) r
    cross join lateral (
      select position from goalpost.steps where definition_id = r.definition_id and name = '/end' offset 0) s),
  finished as (
    update goalpost.runs r set status = 'completed', finished_at = goalpost.now(), output = e.output
    from ended e where r.id = e.run_id and r.status = any(e.active)
    returning r.id)
  select coalesce(array_agg(id), '{}') into _over from finished;
  return _over;
end $$;
