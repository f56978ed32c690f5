-- The number of a task's next answer. The caller holds the lock of the task's row.
create or replace function goalpost.next_answer(_run uuid, _position int, _item int) returns int language plpgsql as $$
begin
  return (select coalesce(max(w.answer_no), 0) + 1 from goalpost.waits w
    where w.run_id = _run and w.position = _position and w.item = _item);
end $$;
