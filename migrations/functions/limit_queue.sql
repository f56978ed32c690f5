-- Sets how many tasks of a queue may run at once, on all instances together; null for any number. What runs is counted.
create or replace function goalpost.limit_queue(_queue text, _max_running int) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _lane text := 'queue:' || _queue;
begin
  perform goalpost.add_lanes(array[_lane]);
  perform 1 from goalpost.lanes where lane = _lane for update;
  update goalpost.lanes set max_running = _max_running, running = (
    select count(*)
    from goalpost.handouts h
    cross join lateral goalpost.read_handout(h.run_ids, h.positions, h.items, h.deliveries) e
    cross join lateral (
      select 1 from goalpost.tasks
      where run_id = e.run_id and position = e.position and item = e.item and delivery = e.delivery
        and status = 'running' offset 0) t
    cross join lateral (select 1 from goalpost.runs where id = e.run_id and lane = _lane offset 0) r)
  where lane = _lane;
end $$;
