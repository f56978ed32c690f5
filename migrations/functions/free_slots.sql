-- The tasks of these reports are no longer running: of runs with a limit, others take their place.
create or replace function goalpost.free_slots(_reports json, _settled bigint[]) returns void language plpgsql as $$
declare
  _run record;
begin
  for _run in
    select r.run_id, count(*)::int as n
    from goalpost.read_reports(_reports, null, null) r
    cross join lateral (
      select 1 from goalpost.runs where id = r.run_id and max_parallel is not null offset 0) u
    where r.ord = any(_settled)
    group by 1 order by 1
  loop
    update goalpost.runs set running = greatest(0, running - _run.n) where id = _run.run_id;
    perform goalpost.admit(_run.run_id);
  end loop;
end $$;
