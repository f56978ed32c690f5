-- Makes the tasks that a stopped or lost worker held ready again. A loss is counted, not a failed attempt; past
-- _max_losses the run fails with POISON. Returns how many tasks were put back.
create or replace function goalpost.put_back(_worker uuid, _status text, _max_losses int) returns int language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _count    int;
  _seqs     bigint[];
  _lanes    text[];
  _poisoned record;
begin
  -- An exchange of that worker that is still under way is over before, or begins after.
  perform pg_advisory_xact_lock(hashtextextended(_worker::text, 0));
  perform goalpost.put_back_mail(_worker, _status, _max_losses);
  perform goalpost.put_back_compact(_worker);
  select array_agg(seq) into _seqs from goalpost.handouts where worker = _worker;
  update goalpost.instances set status = _status, idle = false where worker = _worker and status = 'online';

  with held as (
    select e.run_id, e.position, e.item, e.delivery
    from (select * from goalpost.handouts where worker = _worker and seq = any(_seqs)) h
    cross join lateral goalpost.read_handout(h.run_ids, h.positions, h.items, h.deliveries) e
    order by e.run_id, e.position, e.item),
  locked as (
    select h.run_id, h.position, h.item from held h
    cross join lateral (
      select 1 from goalpost.tasks
      where run_id = h.run_id and position = h.position and item = h.item
        and status = 'running' and worker = _worker and delivery = h.delivery for update) t),
  back as (
    update goalpost.tasks t set status = 'ready', worker = null,
      losses = t.losses + case when _status = 'lost' then 1 else 0 end
    from locked l where t.run_id = l.run_id and t.position = l.position and t.item = l.item
    returning t.run_id, t.position, t.item, t.definition_id, t.delivery, t.losses, t.started_at),
  lost as (
    insert into goalpost.attempts (run_id, position, item, delivery, outcome, worker, started_at, finished_at)
    select b.run_id, b.position, b.item, b.delivery, 'lost', _worker, b.started_at, goalpost.now()
    from back b where _status = 'lost'),
  queued as (
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
    select goalpost.lane_of(r.lane, s.lane), r.prio, r.key, s.rank, b.run_id, b.position, b.item
    from back b
    -- Locked: who adopts the run at this moment gives it another lane, and would not see this row in the old one.
    cross join lateral (select lane, prio, key from goalpost.runs where id = b.run_id for share) r
    cross join lateral (
      select lane, rank from goalpost.steps
      where definition_id = b.definition_id and position = b.position offset 0) s
    where b.losses <= _max_losses
    returning lane)
  select (select count(*) from back), (select array_agg(distinct q.lane) from queued q) into _count, _lanes;

  perform goalpost.leave_queue(h.run_id, h.n)
  from (
    select e.run_id, count(*)::int as n
    from (select * from goalpost.handouts where worker = _worker and seq = any(_seqs)) h
    cross join lateral goalpost.read_handout(h.run_ids, h.positions, h.items, h.deliveries) e
    cross join lateral (
      select 1 from goalpost.tasks
      where run_id = e.run_id and position = e.position and item = e.item and delivery = e.delivery
        and status = 'ready' and worker is null offset 0) t
    group by 1 order by 1) h;
  for _poisoned in
    select distinct t.run_id, s.name, t.losses, coalesce(s.step, s.name) as step, t.failures
    from (select * from goalpost.handouts where worker = _worker and seq = any(_seqs)) h
    cross join lateral goalpost.read_handout(h.run_ids, h.positions, h.items, h.deliveries) e
    cross join lateral (
      select run_id, definition_id, position, losses, failures from goalpost.tasks
      where run_id = e.run_id and position = e.position and item = e.item
        and status = 'ready' and losses > _max_losses offset 0) t
    cross join lateral (
      select name, step from goalpost.steps
      where definition_id = t.definition_id and position = t.position offset 0) s
  loop
    perform goalpost.stop_run(_poisoned.run_id, 'failed', json_build_object('code', 'POISON', 'message',
      format('task "%s" was lost with its worker %s times: it may be killing the process', _poisoned.name, _poisoned.losses),
      'task', json_build_object('id', _poisoned.name, 'step', _poisoned.step, 'attempt', _poisoned.failures + 1)));
  end loop;
  delete from goalpost.handouts where worker = _worker and seq = any(_seqs);
  perform goalpost.publish();
  perform goalpost.wake_idle(_worker, _lanes);
  return _count;
end $$;
