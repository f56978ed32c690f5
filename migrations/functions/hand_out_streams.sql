-- Hands streams with something to handle to a worker, those that have waited longest first, with their next messages:
-- [[stream, agent, delivery, last seq, [[id, seq, sender, type, conversation, payload, wants reply, failures, at, values], …]], …]
create or replace function goalpost.hand_out_streams(_worker uuid, _call bigint, _rooms json, _most int) returns json
language plpgsql as $$
declare
  _room    record;
  _streams json;
begin
  if not exists (select 1 from goalpost.agent_streams where worker = _worker and call = _call) then
    for _room in select r.head->>0 as agent, (r.head->>1)::int as room from goalpost.read_mail(_rooms, null) r loop
      with candidate as materialized (
        select id from goalpost.agent_streams
        where agent = _room.agent and ready_at <= goalpost.now()
        order by agent, ready_at, id limit _room.room for update skip locked)
      update goalpost.agent_streams s set worker = _worker, call = _call, held_at = goalpost.now(), ready_at = null,
        delivery = s.delivery + 1
      from candidate c where s.id = c.id;
    end loop;
  end if;
  select json_agg(json_build_array(s.id, s.agent, s.delivery, s.last_seq, m.messages)) into _streams
  from (select id, agent, delivery, done_seq, last_seq from goalpost.agent_streams where worker = _worker and call = _call) s
  cross join lateral (
    select json_agg(json_build_array(m.id, m.seq, m.sender, m.type, m.conversation, m.payload, m.wants_reply, m.failures,
      (extract(epoch from m.at) * 1000)::double precision,
      case when m.marked then (
        select json_agg(json_build_array(c.key, c.value)) from goalpost.agent_checkpoints c where c.message = m.id) end)
      order by m.seq) as messages
    from (
      select n.*, sum(pg_column_size(n.payload)) over (order by n.seq rows between unbounded preceding and 1 preceding)
        as bytes_before
      from (
        select a.* from goalpost.agent_messages a where a.stream = s.id and a.seq > s.done_seq order by a.seq limit _most) n) m
    where coalesce(m.bytes_before, 0) < 1048576 offset 0) m;
  return _streams;
end $$;
