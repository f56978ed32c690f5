-- Makes the streams of messages to be sent that are not there yet, in the order of their names: two who make the same
-- ones take turns.
create or replace function goalpost.open_streams(_sends json) returns void language plpgsql as $$
begin
  insert into goalpost.agent_streams (agent, sender)
  select n.agent, n.sender
  from (
    select distinct r.head->>1 as agent, coalesce(r.head->>2, '?' || (r.head->>0)) as sender
    from goalpost.read_mail(_sends, null) r) n
  where not exists (select 1 from goalpost.agent_streams s where s.agent = n.agent and s.sender = n.sender)
    -- Of a message that was stored before nothing is to be opened again.
    and not exists (select 1 from goalpost.agent_messages m where '?' || m.id = n.sender and m.id = substr(n.sender, 2))
  order by n.agent, n.sender
  on conflict (agent, sender) do nothing;
end $$;
