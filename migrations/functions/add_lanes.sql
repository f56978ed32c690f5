-- Writes shared lanes, 'queue:NAME' or 'queue:NAME+cap1+cap2', down where workers look for those that they serve.
create or replace function goalpost.add_lanes(_lanes text[]) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  insert into goalpost.lanes (lane, queue, requires)
  select u.lane, substr(split_part(u.lane, '+', 1), length('queue:') + 1), (string_to_array(u.lane, '+'))[2:]
  from (select distinct l.lane from unnest(_lanes) l(lane) where l.lane like 'queue:%' order by 1) u
  where not exists (select 1 from goalpost.lanes k where k.lane = u.lane)
  on conflict do nothing;
end $$;
