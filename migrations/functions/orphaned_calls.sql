-- Calls that nobody will settle: their worker is lost, stopped or unknown while its instance is, or they are older than
-- any call. Whoever settles one of them yet is heard: see settle_call.
create or replace function goalpost.orphaned_calls() returns table (id text, worker uuid) language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  return query
    select c.id, c.worker from goalpost.llm_calls c
    where c.ended_at is null and (
      c.started_at < goalpost.now() - interval '1 hour'
      -- The row of a worker that only calls and carries nothing out is that of another worker of its process, or none.
      or case when exists (select 1 from goalpost.instances i where i.worker = c.worker)
        then exists (select 1 from goalpost.instances i where i.worker = c.worker and i.status <> 'online')
        else exists (select 1 from goalpost.instances i where i.name = c.instance)
          and not exists (select 1 from goalpost.instances i where i.name = c.instance and i.status = 'online') end)
    order by c.started_at limit 1000;
end $$;
