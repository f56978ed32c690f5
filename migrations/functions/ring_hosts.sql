-- Tells other clients that there is something to handle: one notification, 'w AGENT AGENT …', if a stream is ready that
-- was sent to or let go of just now, and somebody else handles messages of its agent.
create or replace function goalpost.ring_hosts(_worker uuid, _sends json, _reports json) returns void
language plpgsql as $$
declare
  _agents text;
begin
  select string_agg(n.agent, ' ') into _agents
  from (
    select distinct t.agent
    from (
      select r.head->>1 as agent from goalpost.read_mail(_sends, null) r
      union all
      select s.agent from goalpost.read_mail(_reports, null) r
      cross join lateral (
        select agent from goalpost.agent_streams where id = (r.head->>0)::bigint offset 0) s
      where r.head->>3 = 'release') t) n
  where exists (
      select 1 from goalpost.agent_streams s where s.agent = n.agent and s.ready_at <= goalpost.now())
    and exists (select 1 from goalpost.agent_hosts h where h.agent = n.agent and h.worker <> _worker);
  if _agents is not null then
    perform pg_notify('goalpost_agents', 'w ' || case when length(_agents) > 7000 then '*' else _agents end);
  end if;
end $$;
