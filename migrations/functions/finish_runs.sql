-- Completes runs whose end node is reached; returns those that this call completed.
create or replace function goalpost.finish_runs(_ends uuid[], _positions int[], _definitions bigint[])
returns uuid[] language plpgsql as $$
declare
  _at timestamptz := goalpost.now();
  _over uuid[];
  _children uuid[];
begin
  with ended as materialized (
    select g.run_id, array['running', 'paused'] as active, g.output
    from goalpost.gather(_ends, _positions, _definitions) g order by g.run_id),
  finished as (
    update goalpost.runs r set status = 'completed', finished_at = _at, output = e.output
    from ended e where r.id = e.run_id and r.status = any(e.active)
    returning r.id, r.parent_run_id)
  select coalesce(array_agg(id), '{}'), array_agg(id) filter (where parent_run_id is not null)
  into _over, _children from finished;
  if _children is not null then
    perform goalpost.wake_parents(_children);
  end if;
  return _over;
end $$;
