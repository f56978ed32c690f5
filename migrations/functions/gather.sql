-- The outputs of the tasks that a join or end node waits for, by name, and how many there are.
create or replace function goalpost.gather(_run uuid, _position int, _definition bigint, out output json, out leaves bigint)
language plpgsql as $$
#variable_conflict use_column
begin
  select coalesce(json_object_agg(s.name, t.output order by e.src), '{}'), count(*)
  into output, leaves
  from (select src from goalpost.edges where definition_id = _definition and dst = _position offset 0) e
  cross join lateral (
    select name from goalpost.steps
    where definition_id = _definition and position = e.src and kind in ('step', 'map', 'join') offset 0) s
  cross join lateral (
    select output from goalpost.tasks
    where run_id = _run and position = e.src and item = -1 and status = 'completed' offset 0) t;
end $$;
