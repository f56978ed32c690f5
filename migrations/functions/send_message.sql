-- Stores a message and tells the listeners, who read it: NOTIFY carries no payload. Returns its seq.
create or replace function goalpost.send_message(_channel text, _id uuid, _payload json, _now timestamptz)
returns bigint language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _seq bigint;
begin
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  insert into goalpost.channels as c (name, last_seq, created_at) values (_channel, 1, goalpost.now())
  on conflict (name) do update set last_seq = c.last_seq + 1
  returning c.last_seq into _seq;
  insert into goalpost.messages (channel, seq, id, payload, at) values (_channel, _seq, _id, _payload, goalpost.now());
  perform pg_notify('goalpost_messages', _channel || ':' || _seq);
  return _seq;
end $$;
