-- The elements of a json array, as they are written; null for anything else. See read_reports.
create or replace function goalpost.json_items(_array json) returns json[] language plpgsql immutable as $$
begin
  if _array is null or json_typeof(_array) <> 'array' then
    return null;
  end if;
  return array(select e.v from json_array_elements(_array) with ordinality e(v, ord) order by e.ord);
end $$;
