-- The id of a shared definition; stores it first if it is new. Two programs that store it at once get one.
create or replace function goalpost.ensure_definition(_name text, _hash text, _source text, _shape json)
returns bigint language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _definition bigint;
begin
  insert into goalpost.definitions (name, hash, source) values (_name, _hash, _source)
  on conflict do nothing returning id into _definition;
  if found then
    perform goalpost.add_steps(_definition, _shape);
  else
    select d.id into strict _definition from goalpost.definitions d
    where d.name = _name and d.hash = _hash and d.run_id is null;
  end if;
  return _definition;
end $$;
