-- Removes runs that are final, the runs that their tasks started, and everything that is theirs; runs that are not
-- final are left alone. Returns how many were removed. Tasks are locked first, then runs, in lock order: a late report on
-- one of them waits, and then finds nothing.
create or replace function goalpost.delete_runs(_ids uuid[]) returns int language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _final uuid[];
  _run   uuid;
begin
  _final := array(
    with recursive tree as (
      select unnest(_ids) as id
      union
      select r.id from tree
      cross join lateral (select id from goalpost.runs where parent_run_id = tree.id offset 0) r)
    select r.id from tree
    cross join lateral (select id from goalpost.runs where id = tree.id and finished_at is not null offset 0) r
    order by r.id);
  foreach _run in array _final loop
    perform 1 from goalpost.tasks t where t.run_id = _run order by t.position, t.item for update;
  end loop;
  perform 1 from goalpost.runs r where r.id = any(_final) order by r.id for update;
  perform goalpost.forget_runs(_final);
  return cardinality(_final);
end $$;
