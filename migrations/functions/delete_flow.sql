-- Deletes a flow with its steps and edges; false if there is none. Its compiled definitions are retired: a run may just
-- be being started with one of them. Those that were retired an hour ago and that no run uses are removed.
create or replace function goalpost.delete_flow(_id bigint) returns boolean language plpgsql
set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _name text;
  _old  bigint[];
begin
  delete from goalpost.flows where id = _id returning name into _name;
  if not found then
    return false;
  end if;
  insert into goalpost.retired_definitions (definition_id, retired_at)
  select d.id, goalpost.now() from goalpost.definitions d
  where d.name = _name and d.source = 'dynamic' and d.run_id is null
  on conflict do nothing;

  select array_agg(o.definition_id) into _old from goalpost.retired_definitions o
  where o.retired_at < goalpost.now() - interval '1 hour';
  -- Nothing else looks for the runs of a definition: it is not worth an index of theirs.
  _old := array(select unnest(_old) except select r.definition_id from goalpost.runs r where r.definition_id = any(_old));
  delete from goalpost.edges where definition_id = any(_old);
  delete from goalpost.steps where definition_id = any(_old);
  delete from goalpost.definitions where id = any(_old);
  delete from goalpost.retired_definitions where definition_id = any(_old);
  return true;
end $$;
