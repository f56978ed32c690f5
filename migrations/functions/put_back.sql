-- Makes the tasks that a stopped or lost worker held ready again. A loss is counted, not a failed attempt; past
-- _max_losses the run fails with POISON. Returns how many tasks were put back.
create or replace function goalpost.put_back(_worker uuid, _status text, _max_losses int) returns int language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _count    int;
  _poisoned record;
begin
  update goalpost.instances set status = _status where worker = _worker and status = 'online';

  with held as (
    select distinct (e.v->>0)::uuid as run_id, (e.v->>1)::int as position, (e.v->>2)::int as item, (e.v->>3)::int as delivery
    from goalpost.handouts h cross join jsonb_array_elements(h.tasks) e(v) where h.worker = _worker),
  locked as (
    select t.run_id, t.position, t.item from held h
    join goalpost.tasks t on t.run_id = h.run_id and t.position = h.position and t.item = h.item
    where t.status = 'running' and t.worker = _worker and t.delivery = h.delivery
    order by t.run_id, t.position, t.item for update of t),
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
    select coalesce(s.lane, r.lane), r.prio, r.key, s.rank, b.run_id, b.position, b.item
    from back b join goalpost.runs r on r.id = b.run_id
    join goalpost.steps s on s.definition_id = b.definition_id and s.position = b.position
    where b.losses <= _max_losses)
  select count(*) into _count from back;

  for _poisoned in
    select distinct t.run_id, s.name, t.losses, coalesce(s.spec->>'step', s.name) as step, t.failures
    from goalpost.handouts h cross join jsonb_array_elements(h.tasks) e(v)
    join goalpost.tasks t on t.run_id = (e.v->>0)::uuid and t.position = (e.v->>1)::int and t.item = (e.v->>2)::int
    join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
    where h.worker = _worker and t.status = 'ready' and t.losses > _max_losses
  loop
    perform goalpost.stop_run(_poisoned.run_id, 'failed', json_build_object('code', 'POISON', 'message',
      format('task "%s" was lost with its worker %s times: it may be killing the process', _poisoned.name, _poisoned.losses),
      'task', json_build_object('id', _poisoned.name, 'step', _poisoned.step, 'attempt', _poisoned.failures + 1)));
  end loop;
  delete from goalpost.handouts where worker = _worker;
  return _count;
end $$;
