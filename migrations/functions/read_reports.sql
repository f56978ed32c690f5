-- What a worker hands in, as rows: _batch is { "h": [[run, position, item, delivery, word, number], …],
-- "p": [payload, …], "s": [shape, …] or absent }. Payloads can be large: each is gone through once here, and never
-- again for the small facts beside it.
-- Like the other readers this promises the planner one row and is volatile, so that it is not inlined. Updates that
-- join a reader compare every column of their table, constants too, with a column of the reader: then the table has
-- no condition of its own that could drive the join, and whatever the statistics say it is looked up by key.
create or replace function goalpost.read_reports(_batch json)
returns table (ord bigint, run_id uuid, "position" int, item int, delivery int, outcome text,
  delay_ms double precision, payload json, shape json)
language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select r.ord, (r.h->>0)::uuid, (r.h->>1)::int, (r.h->>2)::int, (r.h->>3)::int, r.h->>4,
    (r.h->>5)::double precision, r.p, case when json_typeof(r.s) <> 'null' then r.s end
  from rows from (json_array_elements(_batch->'h'), json_array_elements(_batch->'p'),
    json_array_elements(_batch->'s')) with ordinality r(h, p, s, ord);
end $$;
