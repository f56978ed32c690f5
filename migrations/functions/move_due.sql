-- Moves what is due out of lane '@': delayed tasks to their lane, run deadlines to their end, waits to their answer.
-- At most 500 a call. Returns the runs that a deadline ended.
create or replace function goalpost.move_due() returns uuid[] language plpgsql as $$
declare
  _late uuid[];
  _wait record;
  _run  uuid;
  _over uuid[] := '{}';
begin
  with due as (
    delete from goalpost.ready q where q.ctid = any(array(
      select r.ctid from goalpost.ready r
      where r.lane = '@' and r.prio = 0 and r.key <= extract(epoch from goalpost.now())
      order by r.lane, r.prio, r.key, r.rank limit 500 for update skip locked))
    returning q.*),
  moved as (
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
    select case when u.execution = 'local' and d.to_lane like 'instance:%' then u.lane else d.to_lane end, u.prio, u.key, d.rank, d.run_id, d.position, d.item
    from due d
    cross join lateral (select prio, key, lane, execution from goalpost.runs where id = d.run_id offset 0) u
    where d.to_lane not in ('!deadline', '!wait'))
  select array_agg(d.run_id) filter (where d.to_lane = '!wait') as runs,
    array_agg(d.position) filter (where d.to_lane = '!wait') as positions,
    array_agg(d.item) filter (where d.to_lane = '!wait') as items,
    array_agg(d.run_id order by d.run_id) filter (where d.to_lane = '!deadline') as late
  into _wait from due d;
  _late := _wait.late;
  if _wait.runs is not null then
    perform goalpost.due_waits(_wait.runs, _wait.positions, _wait.items);
  end if;
  if _late is not null then
    foreach _run in array _late loop
      if goalpost.stop_run(_run, 'failed', json_build_object('code', 'RUN_DEADLINE',
          'message', 'the run did not finish before its deadline')) then
        _over := _over || _run;
      end if;
    end loop;
  end if;
  return _over;
end $$;
