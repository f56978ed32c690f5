-- Wakes instances that have nothing to do: at most eight of those that serve one of the lanes and listen, if a row is
-- left in it to be claimed. One notification, 'wake WORKER WORKER …', and none at all while everybody is busy: each
-- one makes commits wait for each other. _worker, who calls, knows already.
create or replace function goalpost.wake_idle(_worker uuid, _lanes text[]) returns void language plpgsql as $$
declare
  _idle uuid[];
begin
  if not exists (select 1 from goalpost.instances i where i.idle) then
    return;
  end if;
  select array_agg(w.worker) into _idle
  from (
    select i.worker from goalpost.instances i
    where i.idle and i.status = 'online' and i.worker is distinct from _worker and exists (
      select 1 from goalpost.lanes l
      where l.lane = any(_lanes) and l.queue = any(i.queues) and l.requires <@ i.capabilities
        and exists (select 1 from goalpost.ready r where r.lane = l.lane))
    order by random() limit 8) w;
  if _idle is not null then
    perform pg_notify('goalpost', 'wake ' || array_to_string(_idle, ' '));
  end if;
end $$;
