-- Tells those who wait for the replies that were just noted: tasks by a signal to their run, clients by a notification,
-- 'r CLIENT CLIENT …'.
create or replace function goalpost.answer_askers(_notes json) returns void language plpgsql as $$
declare
  _answer record;
  _askers text;
begin
  for _answer in
    select m.reply_run, m.reply_signal, json_build_array(m.reply, m.error) as answer
    from goalpost.read_mail(_notes, null) r
    cross join lateral (
      select reply_run, reply_signal, reply, error from goalpost.agent_messages
      where id = r.head->>2 and reply_run is not null and (reply is not null or dead_at is not null) offset 0) m
    where r.head->>3 in ('reply', 'dead')
    order by m.reply_run, m.reply_signal
  loop
    perform goalpost.signal_run(_answer.reply_run, _answer.reply_signal, _answer.answer, null);
  end loop;
  select string_agg(distinct m.asker::text, ' ') into _askers
  from goalpost.read_mail(_notes, null) r
  cross join lateral (
    select asker from goalpost.agent_messages where id = r.head->>2 and asker is not null offset 0) m
  where r.head->>3 in ('reply', 'dead');
  if _askers is not null then
    perform pg_notify('goalpost_agents', 'r ' || left(_askers, 7000));
  end if;
end $$;
