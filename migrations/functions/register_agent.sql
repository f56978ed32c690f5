-- A worker handles messages of an agent from now on; what is said of the agent last is what is known of it.
create or replace function goalpost.register_agent(
  _worker uuid, _name text, _description text, _capabilities text[], _concurrency int, _now timestamptz)
returns void language plpgsql as $$
begin
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  insert into goalpost.agents as a (name, description, capabilities, created_at)
  values (_name, _description, _capabilities, goalpost.now())
  on conflict (name) do update set description = _description, capabilities = _capabilities
  where a.description <> _description or a.capabilities <> _capabilities;
  insert into goalpost.agent_hosts (worker, agent, concurrency, since) values (_worker, _name, _concurrency, goalpost.now())
  on conflict (worker, agent) do update set concurrency = _concurrency;
end $$;
