-- Notes an event of a run, if the run is traced. publish() gives it its number.
create or replace function goalpost.emit(_run uuid, _type text, _data json) returns void language plpgsql as $$
begin
  if (select traced from goalpost.runs where id = _run) then
    insert into goalpost.outbox (transaction, run_id, type, data) values (pg_current_xact_id(), _run, _type, _data);
  end if;
end $$;
