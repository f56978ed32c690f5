-- Parking for a signal of a run and sending one take turns, until their transactions end: whichever is second sees
-- what the first did. After the locks of tasks, like a counter.
create or replace function goalpost.lock_signals(_run uuid) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(_run::text, 6));
end $$;
