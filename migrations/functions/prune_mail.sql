-- Removes messages sent before _before that were handled or are dead letters, streams that have nothing left, and what
-- is said of workers that nobody knows any more.
create or replace function goalpost.prune_mail(_before timestamptz) returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  with old as (
    delete from goalpost.agent_messages m
    where m.at < _before and not exists (
      select 1 from goalpost.agent_streams s where s.id = m.stream and m.seq > s.done_seq)
    returning m.id, m.marked)
  delete from goalpost.agent_checkpoints c using old o where o.marked and c.message = o.id;
  delete from goalpost.agent_streams s where s.id = any(array(
    select e.id from goalpost.agent_streams e
    where e.last_seq = e.done_seq and e.worker is null and not exists (
      select 1 from goalpost.agent_messages m where m.stream = e.id)
    for update skip locked));
  delete from goalpost.agent_hosts h
  where h.since < _before and not exists (select 1 from goalpost.instances i where i.worker = h.worker);
end $$;
