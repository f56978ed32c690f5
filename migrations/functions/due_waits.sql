-- Answers what the given tasks wait for and is there by now (times that are over, children that ended), and wakes
-- those that have an answer they are parked for. Locks the tasks in order.
create or replace function goalpost.due_waits(_runs uuid[], _positions int[], _items int[]) returns void
language plpgsql as $$
declare
  _at timestamptz := goalpost.now();
begin
  perform 1
  from (select run_id, position, item from goalpost.read_handout(_runs, _positions, _items, null)
    order by run_id, position, item) k
  cross join lateral (
    select 1 from goalpost.tasks
    where run_id = k.run_id and position = k.position and item = k.item for update) t;

  with due as materialized (
    select w.run_id, w.position, w.item, w.key, w.kind, 'waiting' as was,
      n.first - 1 + row_number() over (
        partition by w.run_id, w.position, w.item order by coalesce(c.finished_at, w.due_at), w.key)::int as no
    from (select distinct run_id, position, item from goalpost.read_handout(_runs, _positions, _items, null)) k
    cross join lateral (select goalpost.next_answer(k.run_id, k.position, k.item) as first offset 0) n
    cross join lateral (
      select * from goalpost.waits
      where run_id = k.run_id and position = k.position and item = k.item and state = 'waiting' offset 0) w
    left join lateral (
      select finished_at from goalpost.runs
      where id = w.child_run_id and finished_at is not null offset 0) c on true
    where w.due_at <= _at or c.finished_at is not null)
  update goalpost.waits w set state = case when d.kind = 'signal' then 'timed_out' else 'answered' end,
    answer_no = d.no, answered_at = _at
  from due d
  where w.run_id = d.run_id and w.position = d.position and w.item = d.item and w.key = d.key and w.state = d.was;

  perform goalpost.wake_tasks(_runs, _positions, _items);
end $$;
