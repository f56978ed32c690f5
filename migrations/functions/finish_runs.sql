-- Completes runs whose end node is reached; returns those that this call completed.
create or replace function goalpost.finish_runs(_ends uuid[], _positions int[], _definitions bigint[])
returns uuid[] language plpgsql as $$
declare
  _at timestamptz := goalpost.now();
  _over uuid[];
  _traced uuid[];
begin
  with ended as materialized (
    select g.run_id, array['running', 'paused'] as active, g.output
    from goalpost.gather(_ends, _positions, _definitions) g order by g.run_id),
  finished as (
    update goalpost.runs r set status = 'completed', finished_at = _at, output = e.output
    from ended e where r.id = e.run_id and r.status = any(e.active)
    returning r.id, r.traced)
  select array_agg(id), array_agg(id) filter (where traced) into _over, _traced from finished;
  if _traced is not null then
    perform goalpost.emit(t.id, 'workflow_completed', null) from unnest(_traced) t(id);
  end if;
  return _over;
end $$;
