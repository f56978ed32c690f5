-- Notes how messages were handled, where more is to be noted than that they were: replies, and failures. Of streams that
-- the worker holds.
create or replace function goalpost.note_messages(_worker uuid, _notes json, _values json) returns void
language plpgsql as $$
begin
  with note as materialized (
    select r.head->>2 as id, r.head->>3 as word, (r.head->>4)::boolean as marked, r.payload as value
    from goalpost.read_mail(_notes, _values) r
    cross join lateral (
      select 1 from goalpost.agent_streams
      where id = (r.head->>0)::bigint and worker = _worker and delivery = (r.head->>1)::bigint offset 0) s),
  noted as (
    update goalpost.agent_messages m set
      reply = case when n.word = 'reply' and m.wants_reply then n.value else m.reply end,
      error = case when n.word in ('retry', 'dead') then n.value end,
      failures = m.failures + case when n.word in ('retry', 'dead') then 1 else 0 end,
      dead_at = case when n.word = 'dead' then goalpost.now() end
    from note n where m.id = n.id)
  delete from goalpost.agent_checkpoints c using note n
  where c.message = n.id and n.word = 'reply' and n.marked;
end $$;
