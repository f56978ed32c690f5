-- Moves what is due out of lane '@': delayed tasks to their lane, delayed runs to their start, run deadlines to their
-- end, waits to their answer. At most 500 a call. Returns the runs that are over by that.
create or replace function goalpost.move_due() returns uuid[] language plpgsql as $$
declare
  _timers goalpost.ready[];
  _timer  goalpost.ready;
  _limited uuid[];
  _wait    record;
  _over   uuid[];
begin
  with due as (
    delete from goalpost.ready q where q.ctid = any(array(
      select r.ctid from goalpost.ready r
      where r.lane = '@' and r.prio = 0 and r.key <= extract(epoch from goalpost.now())
      order by r.lane, r.prio, r.key, r.rank limit 500 for update skip locked))
    returning q.*),
  task as materialized (
    select case when u.execution = 'local' and d.to_lane like 'instance:%' then u.lane else d.to_lane end as to_lane,
      u.prio, u.key, d.rank, d.run_id, d.position, d.item, u.max_parallel is not null as limited
    from due d
    cross join lateral (
      select prio, key, lane, execution, max_parallel from goalpost.runs where id = d.run_id offset 0) u
    where not starts_with(d.to_lane, '!')),
  moved as (
    insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
    select case when limited then '#' || run_id else to_lane end, prio, key, rank, run_id, position, item,
      case when limited then to_lane end
    from task)
  select (select array_agg(row(d.*)::goalpost.ready order by d.run_id) from due d where starts_with(d.to_lane, '!')),
    (select array_agg(distinct t.run_id) from task t where t.limited)
  into _timers, _limited;
  perform goalpost.admit(l.id) from (select id from unnest(_limited) r(id) order by 1) l;
  select array_agg(t.run_id) as runs, array_agg(t.position) as positions, array_agg(t.item) as items into _wait
  from unnest(_timers) t where t.to_lane = '!wait';
  if _wait.runs is not null then
    perform goalpost.due_waits(_wait.runs, _wait.positions, _wait.items);
  end if;
  foreach _timer in array coalesce(_timers, '{}') loop
    if _timer.to_lane = '!start' then
      _over := _over || goalpost.launch(_timer.run_id);
    elsif _timer.to_lane = '!deadline' and goalpost.stop_run(_timer.run_id, 'failed', json_build_object('code', 'RUN_DEADLINE',
        'message', 'the run did not finish before its deadline')) then
      _over := _over || _timer.run_id;
    end if;
  end loop;
  return _over;
end $$;
