-- The one call by which a client sends and handles messages: it hands in everything since the last call and takes out
-- streams with their next messages. Reports are fenced by worker and delivery; what a handler sends and replies is
-- stored with its report or not at all. A call repeated with the same number hands out the same, and changes nothing:
-- reports on a stream that went on are stale, messages whose id is known are not stored again.
--   _rooms    [[agent, streams that may be handed out], …]; _most: messages of one stream at most
--   _reports  [[stream, delivery, seq handled up to, word, ms], …] word: hold, release, or retry after so many ms
--   _notes    [[stream, delivery, message, word, marked], …] word: reply, retry, dead; _values: reply or error of each
--   _sends    [[id, agent, sender, type, conversation, wants reply, asker, run, signal, stream, delivery], …]
--             stream and delivery: of the handling that sends it; _payloads
--   _marks    [[stream, delivery, message, key], …] values of ctx.once; _marked
--   _asks     ids of requests whose replies are waited for
-- Returns { streams: [[stream, agent, delivery, last seq, [message, …]], …], stale: [[stream, delivery], …], sent: [[send, word], …] of those
--   not stored: seen, conflict, stale; lost: [mark, …], replies: [[id, reply, error], …], dueInMs }
--
-- Lock order: the worker; streams by id (new ones first, by name); then what signal_run locks.
create or replace function goalpost.agent_exchange(
  _worker uuid, _call bigint, _rooms json, _most int, _reports json, _notes json, _values json, _sends json,
  _payloads json, _marks json, _marked json, _asks text[], _now timestamptz)
returns text language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set jit = off set plan_cache_mode = force_generic_plan
as $$
declare
  _stale    json;
  _sent     json;
  _lost     json;
  _replies  json;
  _streams  json;
  _due      double precision;
begin
  perform pg_advisory_xact_lock(hashtextextended(_worker::text, 0));
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  if _sends is not null then
    perform goalpost.open_streams(_sends);
  end if;
  _stale := goalpost.lock_streams(_worker, _reports, _notes, _sends, _marks);
  if _marks is not null then
    _lost := goalpost.mark_messages(_worker, _marks, _marked);
  end if;
  if _sends is not null then
    _sent := goalpost.store_mail(_worker, _sends, _payloads);
  end if;
  if _notes is not null then
    perform goalpost.note_messages(_worker, _notes, _values);
  end if;
  if _reports is not null then
    perform goalpost.settle_streams(_worker, _reports);
  end if;
  if _notes is not null then
    perform goalpost.answer_askers(_notes);
  end if;
  if _rooms is not null then
    _streams := goalpost.hand_out_streams(_worker, _call, _rooms, _most);
    select (extract(epoch from min(f.ready_at) - goalpost.now()) * 1000)::double precision into _due
    from goalpost.read_mail(_rooms, null) r
    cross join lateral (
      select s.ready_at from goalpost.agent_streams s
      where s.agent = r.head->>0 and s.ready_at > goalpost.now() order by s.agent, s.ready_at, s.id limit 1 offset 0) f;
  end if;
  if _sends is not null or _reports is not null then
    perform goalpost.ring_hosts(_worker, _sends, _reports);
  end if;
  if _asks is not null then
    select json_agg(json_build_array(m.id, m.reply, m.error)) into _replies
    from unnest(_asks) a(id)
    cross join lateral (
      select m.id, m.reply, case when m.dead_at is not null then m.error end as error from goalpost.agent_messages m
      where m.id = a.id and (m.reply is not null or m.dead_at is not null) offset 0) m;
  end if;
  return concat('{"streams":', coalesce(_streams::text, '[]'), ',"stale":', coalesce(_stale::text, '[]'), ',"sent":',
    coalesce(_sent::text, '[]'), ',"lost":', coalesce(_lost::text, '[]'), ',"replies":', coalesce(_replies::text, '[]'),
    ',"dueInMs":', coalesce(greatest(_due, 0)::text, 'null'), '}');
end $$;
