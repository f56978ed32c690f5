-- Messages of a channel after a seq (null: the newest) and up to one (null: no end), oldest first. Not more than
-- _limit, and no more once they have reached _bytes (null: no limit), but at least one.
create or replace function goalpost.read_messages(
  _channel text, _after bigint, _up_to bigint, _limit int, _bytes bigint)
returns table (seq bigint, id uuid, payload text, at timestamptz) language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  if _after is null then
    -- Without gaps, and pruned only from the oldest on, the newest can be counted.
    select c.last_seq - _limit into _after from goalpost.channels c where c.name = _channel;
  end if;
  return query
  select s.seq, s.id, s.payload::text, s.at
  from (
    select m.*, sum(pg_column_size(m.payload)) over (order by m.seq rows between unbounded preceding and 1 preceding)
      as bytes_before
    from (
      select m.seq, m.id, m.payload, m.at from goalpost.messages m
      where m.channel = _channel and m.seq > _after and m.seq <= coalesce(_up_to, 9223372036854775807)
      order by m.seq limit _limit) m) s
  where _bytes is null or coalesce(s.bytes_before, 0) < _bytes
  order by s.seq;
end $$;
