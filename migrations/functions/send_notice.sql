-- Passes a message on to those who listen now, without storing it. Each call takes away some that have had their time,
-- so that they never pile up.
create or replace function goalpost.send_notice(_channel text, _id uuid, _payload json, _now timestamptz)
returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _ordinal bigint;
begin
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  perform goalpost.drop_notices(10);
  insert into goalpost.notices (channel, after_seq, id, payload, at)
  values (_channel, coalesce((select c.last_seq from goalpost.channels c where c.name = _channel), 0), _id, _payload,
    goalpost.now())
  returning ordinal into _ordinal;
  perform pg_notify('goalpost_messages', _channel || ':!' || _ordinal);
end $$;
