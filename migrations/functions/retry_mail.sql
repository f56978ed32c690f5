-- Puts a dead letter at the end of its stream again, with all its attempts. Returns whether it was one.
create or replace function goalpost.retry_mail(_id text, _now timestamptz) returns boolean language plpgsql as $$
declare
  _letter record;
  _stream record;
begin
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  select m.id, m.agent, coalesce(m.sender, '?' || m.id) as sender into _letter
  from goalpost.agent_messages m where m.id = _id and m.dead_at is not null;
  if not found then
    return false;
  end if;
  insert into goalpost.agent_streams (agent, sender) values (_letter.agent, _letter.sender)
  on conflict (agent, sender) do nothing;
  select id, last_seq + 1 as seq into _stream from goalpost.agent_streams
  where agent = _letter.agent and sender = _letter.sender for update;
  update goalpost.agent_messages m set dead_at = null, error = null, failures = 0, losses = 0, stream = _stream.id,
    seq = _stream.seq
  where m.id = _id and m.dead_at is not null;
  if not found then
    return false;
  end if;
  update goalpost.agent_streams s set last_seq = _stream.seq,
    ready_at = case when s.worker is null then coalesce(s.ready_at, goalpost.now()) end
  where s.id = _stream.id;
  perform pg_notify('goalpost_agents', 'w ' || _letter.agent);
  return true;
end $$;
