-- Notes an event of a task as a whole, if its run is traced.
create or replace function goalpost.emit_task(_run uuid, _position int, _type text, _data json)
returns void language plpgsql as $$
begin
  if (select traced from goalpost.runs where id = _run) then
    insert into goalpost.outbox (transaction, run_id, type, position, attempt, data)
    values (pg_current_xact_id(), _run, _type, _position, 1, _data);
  end if;
end $$;
