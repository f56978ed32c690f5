-- How many tasks those of the runs have that are compact.
create or replace function goalpost.count_compact_tasks(_runs uuid[]) returns int language sql stable as $$
  select count(*)::int from unnest(_runs) k(id)
  cross join lateral (
    select definition_id from goalpost.runs where id = k.id and journal is not null offset 0) r
  cross join lateral (select 1 from goalpost.steps where definition_id = r.definition_id offset 0) s
$$;
