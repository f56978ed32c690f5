-- Parallel arrays as rows: see read_reports. cascade: the task makes those that need it be skipped.
create or replace function goalpost.read_keys(_runs uuid[], _positions int[], _definitions bigint[], _cascades boolean[])
returns table (run_id uuid, "position" int, definition_id bigint, cascade boolean) language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select * from unnest(_runs, _positions, _definitions, _cascades);
end $$;
