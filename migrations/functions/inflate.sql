-- Gives a compact run the rows that it would have had without being compact; from then on it is a run like any other.
-- Any other run is left alone.
create or replace function goalpost.inflate(_run uuid) returns void language plpgsql as $$
begin
  perform 1 from goalpost.runs where id = _run and journal is not null for update;
  if not found then
    return;
  end if;
  insert into goalpost.tasks select * from goalpost.compact_tasks(_run);
  update goalpost.runs set journal = null where id = _run;
end $$;
