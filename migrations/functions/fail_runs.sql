-- What becomes of the runs whose tasks the reports with these ordinals have failed for good. One that may be planned
-- again is; else it fails, with the first of them. What has failed with the making of another plan fails with what that
-- plan was made for. over: the runs that this ended; queued: lanes in which nodes wait that make another plan.
create or replace function goalpost.fail_runs(_reports json, _payloads json, _fatal bigint[],
  out over uuid[], out queued text[]) language plpgsql as $$
declare
  _failed  record;
  _stopped uuid;
  _got     goalpost.advanced;
begin
  for _failed in
    select r.run_id, r.position, u.definition_id, coalesce(v.error, r.payload) as error
    from goalpost.read_reports(_reports, _payloads, null) r
    cross join lateral (select definition_id from goalpost.runs where id = r.run_id offset 0) u
    left join lateral (
      select error from goalpost.plan_versions where run_id = r.run_id and position = r.position offset 0) v on true
    where r.ord = any(_fatal) order by r.run_id, r.ord
  loop
    continue when _failed.run_id = _stopped;
    if goalpost.replan(_failed.run_id, _failed.position, _failed.error) then
      _got := goalpost.advance(array[_failed.run_id], array[_failed.position], array[_failed.definition_id],
        array[false], true, null, null, 0, null);
      over := over || _got.over;
      queued := queued || _got.queued;
      continue;
    end if;
    _stopped := _failed.run_id;
    if goalpost.stop_run(_failed.run_id, 'failed', _failed.error) then
      over := over || _failed.run_id;
    end if;
  end loop;
end $$;
