-- Stores messages at the end of their streams, which the caller has locked. One whose id is known is not stored again;
-- who asks is told of its reply all the same. Returns [[ordinal, word], …] of those that were not stored.
create or replace function goalpost.store_mail(_worker uuid, _sends json, _payloads json) returns json
language plpgsql as $$
declare
  _sent json;
begin
  with given as materialized (
    select r.ord, r.head->>0 as id, r.head->>1 as agent, r.head->>2 as sender, r.head->>3 as type,
      r.head->>4 as conversation, (r.head->>5)::boolean as wants_reply, (r.head->>6)::uuid as asker,
      (r.head->>7)::uuid as reply_run, r.head->>8 as reply_signal, r.payload,
      row_number() over (partition by r.head->>0 order by r.ord) as copy,
      r.head->>9 is not null and not exists (
        select 1 from goalpost.agent_streams s
        where s.id = (r.head->>9)::bigint and s.worker = _worker and s.delivery = (r.head->>10)::bigint) as stale
    from goalpost.read_mail(_sends, _payloads) r),
  judged as materialized (
    select g.*, k.same,
      case when k.same then 'seen' when g.stale then 'stale' when not k.same then 'conflict' end as word
    from given g
    left join lateral (
      select m.agent = g.agent and m.sender is not distinct from g.sender and m.type = g.type
        and m.payload::text = g.payload::text as same
      from goalpost.agent_messages m where m.id = g.id offset 0) k on true),
  fresh as materialized (
    select j.*, s.id as stream, s.last_seq + row_number() over (partition by s.id order by j.ord) as seq
    from judged j
    cross join lateral (
      select id, last_seq from goalpost.agent_streams
      where agent = j.agent and sender = coalesce(j.sender, '?' || j.id) offset 0) s
    where j.word is null and j.copy = 1),
  stored as (
    insert into goalpost.agent_messages (id, stream, seq, agent, sender, type, conversation, payload, wants_reply, asker,
      reply_run, reply_signal, at)
    select f.id, f.stream, f.seq, f.agent, f.sender, f.type, f.conversation, f.payload, f.wants_reply, f.asker,
      f.reply_run, f.reply_signal, goalpost.now()
    from fresh f
    -- Somebody else may be sending the same id to another agent.
    on conflict (id) do nothing),
  longer as (
    update goalpost.agent_streams s set last_seq = f.last_seq,
      ready_at = case when s.worker is null then coalesce(s.ready_at, goalpost.now()) end
    from (select f.stream, max(f.seq) as last_seq from fresh f group by f.stream) f
    where s.id = f.stream),
  asked as (
    update goalpost.agent_messages m set asker = j.asker
    from (select j.id, j.asker from judged j where j.word = 'seen' and j.asker is not null) j
    where m.id = j.id and m.wants_reply and m.reply is null and m.asker is distinct from j.asker)
  select json_agg(json_build_array(j.ord - 1, coalesce(j.word, 'seen'))) filter (where j.word is not null or j.copy > 1)
  into _sent from judged j;
  return _sent;
end $$;
