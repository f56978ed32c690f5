-- The part of settling that keeps history and sends tasks round again; returns the runs that failed.
create or replace function goalpost.settle_failures(_worker uuid, _reports json, _settled bigint[])
returns uuid[] language plpgsql as $$
declare
  _failed record;
  _over   uuid[] := '{}';
begin
  insert into goalpost.attempts (run_id, position, item, delivery, outcome, error, worker, started_at, finished_at)
  select t.run_id, t.position, t.item, t.delivery, 'failed', r.v->5, _worker, t.started_at, goalpost.now()
  from json_array_elements(_reports) with ordinality r(v, ord)
  join goalpost.tasks t on t.run_id = (r.v->>0)::uuid and t.position = (r.v->>1)::int and t.item = (r.v->>2)::int
  where r.ord = any(_settled) and r.v->>4 in ('retry', 'failed');

  insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
  select '@', 0, extract(epoch from goalpost.now()) + (r.v->>6)::double precision / 1000, s.rank, t.run_id,
    t.position, t.item, coalesce(s.lane, u.lane)
  from json_array_elements(_reports) with ordinality r(v, ord)
  join goalpost.tasks t on t.run_id = (r.v->>0)::uuid and t.position = (r.v->>1)::int and t.item = (r.v->>2)::int
  join goalpost.runs u on u.id = t.run_id
  join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  where r.ord = any(_settled) and r.v->>4 in ('retry', 'released');

  for _failed in
    select distinct on (1) (r.v->>0)::uuid as run_id, r.v->5 as error
    from json_array_elements(_reports) with ordinality r(v, ord)
    where r.ord = any(_settled) and r.v->>4 = 'failed' order by 1, r.ord
  loop
    if goalpost.stop_run(_failed.run_id, 'failed', _failed.error) then
      _over := _over || _failed.run_id;
    end if;
  end loop;
  return _over;
end $$;
