-- What a worker hands in, as rows: parallel arrays of heads [run, position, item, delivery, word, number], payloads,
-- and shapes (null, or null for each that has none). Only json_array_elements may touch what users made: every other
-- way into a json value decodes its strings and stumbles over \u0000. It also leaves large payloads alone while the
-- small facts beside them are read.
-- Like the other readers this promises the planner one row and is volatile, so that it is not inlined. Updates that
-- join a reader compare every column of their table, constants too, with a column of the reader: then the table has
-- no condition of its own that could drive the join, and whatever the statistics say it is looked up by key.
create or replace function goalpost.read_reports(_heads json, _payloads json, _shapes json)
returns table (ord bigint, run_id uuid, "position" int, item int, delivery int, outcome text,
  number double precision, payload json, shape json)
language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select r.ord, (r.h->>0)::uuid, (r.h->>1)::int, (r.h->>2)::int, (r.h->>3)::int, r.h->>4,
    (r.h->>5)::double precision, r.p, case when json_typeof(r.s) <> 'null' then r.s end
  from rows from (json_array_elements(_heads), json_array_elements(_payloads),
    json_array_elements(_shapes)) with ordinality r(h, p, s, ord);
end $$;
