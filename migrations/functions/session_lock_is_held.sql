-- Whether any session of this database holds the advisory lock with that key.
create or replace function goalpost.session_lock_is_held(_key bigint) returns boolean language plpgsql as $$
begin
  return exists (
    select 1 from pg_locks l
    where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
      and l.classid = ((_key >> 32) & 4294967295)::oid and l.objid = (_key & 4294967295)::oid
      and l.database = (select d.oid from pg_database d where d.datname = current_database()));
end $$;
