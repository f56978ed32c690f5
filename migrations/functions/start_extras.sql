-- The rarer parts of starting runs: maps over the run's input are expanded, and of a run with a limit as much is let
-- into its lane as it allows. Returns the runs that are over by that. _starts: see start_runs.
create or replace function goalpost.start_extras(_starts json) returns uuid[] language plpgsql as $$
declare
  _run  record;
  _over uuid[];
begin
  for _run in
    select r.id, r.max_parallel
    from json_array_elements(_starts) e(h)
    cross join lateral (
      select id, max_parallel from goalpost.runs where id = (e.h->>0)::uuid and status = 'running' offset 0) r
    order by r.id
  loop
    _over := _over || goalpost.begin_run(_run.id);
    if _run.max_parallel is not null then
      perform goalpost.admit(_run.id);
    end if;
  end loop;
  return _over;
end $$;
