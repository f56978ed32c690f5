-- What is new on some channels: the last message of each, and the notices that were not visible in the snapshot that
-- the last look returned (none if that is null: the first look). One statement, so that all of it is of one moment.
-- A probe is sent back by NOTIFY: who hears it knows that LISTEN works.
create or replace function goalpost.look_at_channels(_names text[], _since text[], _probe text)
returns table (ord bigint, last_seq bigint, seen text, notices json) language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  if _probe is not null then
    perform pg_notify('goalpost_messages', '?' || _probe);
  end if;
  return query
  select a.ord, coalesce(c.last_seq, 0), pg_current_snapshot()::text, w.notices
  from unnest(_names, _since::pg_snapshot[]) with ordinality a(name, since, ord)
  left join lateral (select c.last_seq from goalpost.channels c where c.name = a.name offset 0) c on true
  cross join lateral (
    select json_agg(json_build_array(n.ordinal, n.after_seq) order by n.ordinal) as notices from goalpost.notices n
    where n.channel = a.name and n.tx >= pg_snapshot_xmin(a.since) and not pg_visible_in_snapshot(n.tx, a.since)
    offset 0) w
  order by a.ord;
end $$;
