-- Gives a planned run the definition it owns. _shape: { "steps": […], "edges": […] } as add_steps takes them.
create or replace function goalpost.add_private_definition(_run uuid, _name text, _shape json)
returns void language plpgsql as $$
declare
  _definition bigint;
begin
  insert into goalpost.definitions (name, hash, source, run_id) values (_name, _run::text, 'planned', _run)
  returning id into _definition;
  update goalpost.runs set definition_id = _definition where id = _run;
  perform goalpost.add_steps(_definition, _shape);
end $$;
