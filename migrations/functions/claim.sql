-- Takes up to _room tasks from the lanes, best head first. A ready row is a hint: it is deleted, and the task is
-- started only if it is ready and its run is running. What is handed out is written down under (worker, seq).
create or replace function goalpost.claim(_worker uuid, _seq bigint, _room int, _lanes text[])
returns jsonb language plpgsql as $$
declare
  _lane   record;
  _took   goalpost.ready[];
  _taken  goalpost.ready[] := '{}';
  _tasks  jsonb;
begin
  for _lane in
    select l.lane from unnest(_lanes) l(lane) cross join lateral (
      select r.prio, r.key, r.rank from goalpost.ready r where r.lane = l.lane
      order by r.lane, r.prio, r.key, r.rank limit 1) head
    order by head.prio, head.key, head.rank
  loop
    exit when cardinality(_taken) >= _room;
    with candidate as (
      delete from goalpost.ready q where q.ctid = any(array(
        select r.ctid from goalpost.ready r where r.lane = _lane.lane
        order by r.lane, r.prio, r.key, r.rank limit _room - cardinality(_taken) for update skip locked))
      returning q)
    select array_agg(c.q) into _took from candidate c;
    _taken := _taken || _took;
  end loop;
  if cardinality(_taken) = 0 then
    return null;
  end if;

  with claimed as (
    update goalpost.tasks t set status = 'running', worker = _worker, delivery = t.delivery + 1,
      started_at = goalpost.now()
    from unnest(_taken) c join goalpost.runs u on u.id = c.run_id and u.status = 'running'
    where t.run_id = c.run_id and t.position = c.position and t.item = c.item and t.status = 'ready'
    returning c.prio, c.key, c.rank, t.run_id, t.position, t.item, t.delivery),
  handed as (
    insert into goalpost.handouts (worker, seq, tasks, at)
    select _worker, _seq, jsonb_agg(jsonb_build_array(c.run_id, c.position, c.item, c.delivery)
      order by c.prio, c.key, c.rank), goalpost.now()
    from claimed c having count(*) > 0
    returning tasks)
  select h.tasks into _tasks from handed h;
  return _tasks;
end $$;
