-- Fails the runs that the reports with these ordinals end, each with the first of them; returns those that this ended.
create or replace function goalpost.fail_runs(_reports json, _payloads json, _fatal bigint[])
returns uuid[] language plpgsql as $$
declare
  _failed record;
  _over   uuid[];
begin
  for _failed in
    select distinct on (r.run_id) r.run_id, r.payload as error
    from goalpost.read_reports(_reports, _payloads, null) r
    where r.ord = any(_fatal) order by r.run_id, r.ord
  loop
    if goalpost.stop_run(_failed.run_id, 'failed', _failed.error) then
      _over := _over || _failed.run_id;
    end if;
  end loop;
  return _over;
end $$;
