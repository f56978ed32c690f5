-- Gives a planned run the definition it owns, unless it has one. _shape: as add_steps takes it.
create or replace function goalpost.add_private_definition(_run uuid, _name text, _shape json)
returns void language plpgsql as $$
declare
  _definition bigint;
begin
  insert into goalpost.definitions (name, hash, source, run_id) values (_name, _run::text, 'planned', _run)
  on conflict do nothing returning id into _definition;
  if found then
    perform goalpost.add_steps(_definition, _shape);
  end if;
end $$;
