-- Spends a run's signals of one name on the tasks that are parked for them, oldest on oldest; does not wake the tasks.
-- The caller holds the signals' lock. Returns the keys of the tasks that were answered.
create or replace function goalpost.deliver_signals(
  _run uuid, _name text, out positions int[], out items int[])
language plpgsql as $$
declare
  _sent record;
  _wait record;
begin
  positions := '{}';
  items := '{}';
  loop
    select s.seq, s.payload into _sent from goalpost.signals s
    where s.run_id = _run and s.name = _name and s.consumed_position is null
    order by s.run_id, s.name, s.seq limit 1;
    exit when not found;
    select w.position, w.item, w.key into _wait
    from (select * from goalpost.waits where run_id = _run and name = _name and kind = 'signal' and state = 'waiting'
      and awaited order by created_at, position, item, key) w
    cross join lateral (
      select 1 from goalpost.tasks
      where run_id = _run and position = w.position and item = w.item and status = 'suspended' for update) t
    limit 1;
    exit when not found;
    update goalpost.signals set consumed_position = _wait.position, consumed_item = _wait.item,
      consumed_key = _wait.key
    where run_id = _run and name = _name and seq = _sent.seq;
    update goalpost.waits w set state = 'answered', answer = _sent.payload, answered_at = goalpost.now(),
      answer_no = goalpost.next_answer(_run, _wait.position, _wait.item)
    where w.run_id = _run and w.position = _wait.position and w.item = _wait.item and w.key = _wait.key;
    positions := positions || _wait.position;
    items := items || _wait.item;
  end loop;
end $$;
