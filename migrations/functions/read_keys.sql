-- Parallel arrays as rows: see read_reports.
create or replace function goalpost.read_keys(_runs uuid[], _positions int[], _definitions bigint[])
returns table (run_id uuid, "position" int, definition_id bigint) language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select * from unnest(_runs, _positions, _definitions);
end $$;
