-- Messages to an agent after an ordinal, the oldest first: of one status (queued, handling, handled, dead), or all.
create or replace function goalpost.read_inbox(_agent text, _status text, _after bigint, _limit int)
returns table (ordinal bigint, id text, sender text, type text, conversation text, payload json, wants_reply boolean,
  reply json, failures int, error json, at timestamptz, status text)
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
#variable_conflict use_column
begin
  if _status in ('queued', 'handling') then
    -- What is left is little beside what was handled.
    return query
    select m.ordinal, m.id, m.sender, m.type, m.conversation, m.payload, m.wants_reply, m.reply, m.failures, m.error, m.at,
      _status
    from (select * from goalpost.agent_streams where agent = _agent and last_seq > done_seq) s
    cross join lateral (
      select n.*, n.seq = min(n.seq) over () and s.worker is not null as in_hand
      from goalpost.agent_messages n where n.stream = s.id and n.seq > s.done_seq offset 0) m
    where m.in_hand = (_status = 'handling') and m.ordinal > _after
    order by m.ordinal limit _limit;
  elsif _status = 'dead' then
    return query
    select m.ordinal, m.id, m.sender, m.type, m.conversation, m.payload, m.wants_reply, m.reply, m.failures, m.error, m.at,
      'dead'
    from goalpost.agent_messages m where m.agent = _agent and m.dead_at is not null and m.ordinal > _after
    order by m.ordinal limit _limit;
  else
    return query
    select m.ordinal, m.id, m.sender, m.type, m.conversation, m.payload, m.wants_reply, m.reply, m.failures, m.error, m.at,
      s.status
    from (select n.* from goalpost.agent_messages n where n.agent = _agent and n.ordinal > _after order by n.agent, n.ordinal) m
    cross join lateral (
      select case
        when m.dead_at is not null then 'dead'
        when m.seq > t.done_seq then case when t.worker is not null and m.seq = t.done_seq + 1 then 'handling' else 'queued' end
        else 'handled' end as status
      from (select 1) one
      left join lateral (select done_seq, worker from goalpost.agent_streams where id = m.stream offset 0) t on true) s
    where _status is null or s.status = _status
    order by m.ordinal limit _limit;
  end if;
end $$;
