-- An instance says that it lives, and hears of the others: an idle one asks for nothing more.
-- _beat: { name, host, pid, version, lanes, queues, capabilities, load, idle, lockKey: text or null,
--   look: whether to tell of the others, sweep: whether to tell of hand-outs and calls that nobody looks after }
-- Returns { lanes: the shared lanes that it serves, others: [[worker, beat, session lock is gone], …] if asked for,
--   leftBehind: [worker, …] if asked for }. Nothing is said of a lock while the heartbeat is young: looking at all
-- locks twice a second for nothing would cost more than the rest of an idle call.
create or replace function goalpost.beat(_worker uuid, _beat json) returns json language plpgsql as $$
declare
  _at           timestamptz := goalpost.now();
  _lanes        text[] := array(select json_array_elements_text(_beat->'lanes'));
  _queues       text[] := array(select json_array_elements_text(_beat->'queues'));
  _capabilities text[] := array(select json_array_elements_text(_beat->'capabilities'));
  _key          bigint := (_beat->>'lockKey')::bigint;
  _idle         boolean := coalesce((_beat->>'idle')::boolean, false);
begin
  update goalpost.instances set beat = beat + 1, heartbeat_at = _at, load = (_beat->>'load')::jsonb, lanes = _lanes,
    lock_key = _key, session_lock = _key is not null, idle = _idle, status = 'online'
  where worker = _worker;
  if not found then
    insert into goalpost.instances (worker, name, host, pid, version, status, lanes, queues, capabilities, load, idle,
      lock_key, session_lock, started_at, heartbeat_at)
    values (_worker, _beat->>'name', _beat->>'host', (_beat->>'pid')::int, _beat->>'version', 'online', _lanes, _queues,
      _capabilities, (_beat->>'load')::jsonb, _idle, _key, _key is not null, _at, _at);
  end if;
  return json_build_object(
    'lanes', (
      select json_agg(l.lane) from goalpost.lanes l
      where l.queue = any(_queues) and l.requires <@ _capabilities),
    'others', case when (_beat->>'look')::boolean then (
      select json_agg(json_build_array(i.worker, i.beat::text,
        i.session_lock and i.heartbeat_at < _at - interval '1 second' and not goalpost.session_lock_is_held(i.lock_key)))
      from goalpost.instances i where i.status = 'online' and i.worker <> _worker) end,
    'leftBehind', case when (_beat->>'sweep')::boolean then (
      select json_agg(distinct l.worker) from (
        select h.worker
        from (
          select worker from goalpost.handouts
          union all
          -- Who has only just begun may not have beaten yet.
          select worker from goalpost.agent_streams where worker is not null and held_at < _at - interval '5 seconds') h
        where h.worker <> _worker and not exists (
          select 1 from goalpost.instances i where i.worker = h.worker and i.status = 'online')
        union all
        select o.worker from goalpost.orphaned_calls() o) l) end);
end $$;
