-- Of a run with a limit, as many tasks are in the lanes or running as its limit allows, counted in runs.running. The
-- others wait in the lane '#run' and are moved up, best first, as there is room.
create or replace function goalpost.admit(_run uuid) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _room  int;
  _moved int;
begin
  select r.max_parallel - r.running into _room from goalpost.runs r
  where r.id = _run and r.status = 'running' for update;
  if _room is null or _room <= 0 then
    return;
  end if;
  with parked as (
    delete from goalpost.ready q where q.ctid = any(array(
      select r.ctid from goalpost.ready r where r.lane = '#' || _run
      order by r.lane, r.prio, r.key, r.rank limit _room for update skip locked))
    returning q.*),
  moved as (
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
    select to_lane, prio, key, rank, run_id, position, item from parked)
  select count(*) into _moved from parked;
  if _moved > 0 then
    update goalpost.runs set running = running + _moved where id = _run;
  end if;
end $$;
