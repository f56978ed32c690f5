-- Cancels a run; false if it is unknown or final already.
create or replace function goalpost.cancel_run(_run uuid, _error json) returns boolean language plpgsql as $$
declare
  _stopped boolean := goalpost.stop_run(_run, 'cancelled', _error);
begin
  perform goalpost.publish();
  return _stopped;
end $$;
