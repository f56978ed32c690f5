-- Writes down what a worker holds of the runs that it stored as compact ones, inflated now or before, as one more
-- hand-out. The caller keeps the worker's calls out.
create or replace function goalpost.put_back_compact(_worker uuid) returns void language plpgsql as $$
declare
  _runs uuid[] := array(
    select distinct c.id
    from (select compact from goalpost.handouts where worker = _worker and compact is not null offset 0) h
    cross join lateral unnest(h.compact) c(id)
    cross join lateral (select 1 from goalpost.runs where id = c.id and finished_at is null offset 0) r
    order by c.id);
begin
  perform goalpost.inflate(r.id) from unnest(_runs) r(id);
  insert into goalpost.handouts (worker, seq, run_ids, positions, items, deliveries, at)
  select _worker, (select min(seq) - 1 from goalpost.handouts where worker = _worker),
    array_agg(t.run_id), array_agg(t.position), array_agg(t.item), array_agg(t.delivery), goalpost.now()
  from unnest(_runs) r(id)
  cross join lateral (
    select run_id, position, item, delivery from goalpost.tasks
    where run_id = r.id and status = 'running' and worker = _worker offset 0) t
  having count(*) > 0;
end $$;
