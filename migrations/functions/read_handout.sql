-- The tasks of a hand-out as rows: see read_reports.
create or replace function goalpost.read_handout(_runs uuid[], _positions int[], _items int[], _deliveries int[])
returns table (ord bigint, run_id uuid, "position" int, item int, delivery int) language plpgsql volatile rows 1 as $$
#variable_conflict use_column
begin
  return query
  select c.ord, c.r, c.p, c.i, c.d
  from unnest(_runs, _positions, _items, _deliveries) with ordinality c(r, p, i, d, ord);
end $$;
