-- The runs are final: whoever waits for them is looked at by the next poll. Not here, where runs are locked: tasks are
-- locked before runs.
create or replace function goalpost.wake_parents(_over uuid[]) returns void language plpgsql as $$
begin
  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select distinct '@', 0, 0, 0, w.run_id, w.position, w.item, '!wait'
  from goalpost.read_ids(_over) i
  cross join lateral (
    select run_id, position, item from goalpost.waits
    where child_run_id = i.run_id and state = 'waiting' offset 0) w;
end $$;
