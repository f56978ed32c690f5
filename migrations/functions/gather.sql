-- For each of the given join and end nodes the outputs of the tasks that it waits for, by name, and how many there are.
create or replace function goalpost.gather(_runs uuid[], _positions int[], _definitions bigint[])
returns table (run_id uuid, "position" int, output json, leaves bigint) language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select k.run_id, k.position,
    coalesce(json_object_agg(t.name, t.output order by t.src) filter (where t.name is not null), '{}'), count(t.name)
  from goalpost.read_keys(_runs, _positions, _definitions, null) k
  left join lateral (
    select e.src, s.name, d.output
    from (select src from goalpost.edges where definition_id = k.definition_id and dst = k.position) e
    cross join lateral (
      select name from goalpost.steps where definition_id = k.definition_id and position = e.src
        and kind in ('step', 'map', 'join') offset 0) s
    cross join lateral (
      select output from goalpost.tasks where run_id = k.run_id and position = e.src and item = -1
        and status = 'completed' offset 0) d) t on true
  group by k.run_id, k.position;
end $$;
