-- Numbers the events of this transaction: the last thing that it does.
create or replace function goalpost.publish() returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _run record;
begin
  for _run in
    select o.run_id, count(*)::int as n from goalpost.outbox o
    where o.transaction = pg_current_xact_id() group by 1 order by 1
  loop
    insert into goalpost.event_counters (run_id, seq) values (_run.run_id, 0) on conflict do nothing;
    with counter as (
      update goalpost.event_counters set seq = seq + _run.n where run_id = _run.run_id returning seq - _run.n as last),
    noted as (
      delete from goalpost.outbox o where o.transaction = pg_current_xact_id() and o.run_id = _run.run_id returning o.*)
    insert into goalpost.events (run_id, seq, type, position, item, attempt, data, at)
    select n.run_id, c.last + row_number() over (order by n.id), n.type, n.position, n.item, n.attempt, n.data,
      goalpost.now()
    from noted n cross join counter c;
  end loop;
end $$;
