-- Notes how far a task is; nothing is noted of a task that is no longer held.
create or replace function goalpost.tell_progress(
  _worker uuid, _run uuid, _position int, _item int, _delivery int, _fraction double precision, _note text)
returns void language sql as $$
  select goalpost.inflate(_run);
  insert into goalpost.progress (run_id, position, item, fraction, note, delivery)
  select run_id, position, item, _fraction, _note, _delivery from goalpost.tasks
  where run_id = _run and position = _position and item = _item
    and status = 'running' and worker = _worker and delivery = _delivery
  on conflict (run_id, position, item) do update
    set fraction = excluded.fraction, note = excluded.note, delivery = excluded.delivery
$$;
