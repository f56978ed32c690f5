-- Run ids as rows, in order: see read_reports.
create or replace function goalpost.read_ids(_ids uuid[]) returns table (run_id uuid) language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select distinct i.id from unnest(_ids) i(id) order by i.id;
end $$;
