-- A run that was not stored, because another one had its idempotency key, leaves its private definition behind.
create or replace function goalpost.drop_private_definition(_run uuid) returns void language plpgsql as $$
begin
  perform goalpost.forget_definitions(array(
    select d.id from goalpost.definitions d
    where d.run_id = _run and not exists (select 1 from goalpost.runs r where r.id = _run)));
end $$;
