-- What a client hands in about messages, as rows: parallel arrays of heads, each an array of small facts, and payloads
-- (null for none). See read_reports: why json_array_elements, why volatile.
create or replace function goalpost.read_mail(_heads json, _payloads json)
returns table (ord bigint, head json, payload json) language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select r.ord, r.h, r.p
  from rows from (json_array_elements(_heads), json_array_elements(_payloads)) with ordinality r(h, p, ord);
end $$;
