-- Gives a planned run the definition it owns, unless it has one; returns its id. _shape: as add_steps takes it; the sixth
-- part is how often the plan may be replaced, if at all.
create or replace function goalpost.add_private_definition(_run uuid, _name text, _shape json)
returns bigint language plpgsql as $$
declare
  _definition bigint;
begin
  insert into goalpost.definitions (name, hash, source, run_id, max_replans)
  values (_name, _run::text, 'planned', _run, (goalpost.json_items(_shape))[6]::text::int)
  on conflict do nothing returning id into _definition;
  if found then
    perform goalpost.add_steps(_definition, _shape);
  else
    select d.id into _definition from goalpost.definitions d where d.run_id = _run;
  end if;
  return _definition;
end $$;
