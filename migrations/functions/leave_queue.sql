-- So many tasks of a run are no longer running: if its queue has a limit, there is room for others.
create or replace function goalpost.leave_queue(_run uuid, _count int) returns void language plpgsql as $$
begin
  update goalpost.lanes l set running = greatest(0, l.running - _count)
  from (select lane from goalpost.runs where id = _run and execution = 'distributed' offset 0) r
  where l.lane = r.lane and l.max_running is not null;
end $$;
