-- An instance says that it lives. _beat: { name, host, pid, version, lanes, load }
create or replace function goalpost.beat(_worker uuid, _beat json) returns void language plpgsql as $$
begin
  update goalpost.instances set beat = beat + 1, heartbeat_at = goalpost.now(), load = (_beat->>'load')::jsonb,
    status = 'online'
  where worker = _worker;
  if not found then
    insert into goalpost.instances (worker, name, host, pid, version, status, lanes, load, started_at, heartbeat_at)
    values (_worker, _beat->>'name', _beat->>'host', (_beat->>'pid')::int, _beat->>'version', 'online',
      array(select json_array_elements_text(_beat->'lanes')), (_beat->>'load')::jsonb, goalpost.now(), goalpost.now());
  end if;
end $$;
