-- Journal entries and outputs of runs as rows: see read_reports.
create or replace function goalpost.read_journal(_runs uuid[], _entries json, _outputs json)
returns table (run_id uuid, entry json, output json, active text) language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select r.id, r.entry, case when json_typeof(r.output) <> 'null' then r.output end, 'running'
  from rows from (unnest(_runs), json_array_elements(_entries), json_array_elements(_outputs)) r(id, entry, output);
end $$;
