-- Stores what ctx.once made, for tasks that this worker still holds; returns the ordinals of those it lost.
-- _marks: see read_reports; the word is the key, the number 0 (with 1 it is no checkpoint: see trace_started).
create or replace function goalpost.save_checkpoints(_worker uuid, _marks json, _values json) returns json language plpgsql as $$
declare
  _stale json;
begin
  with mark as (
    select r.ord, r.run_id, r.position, r.item, r.outcome as key, r.payload as value, t.held
    from goalpost.read_reports(_marks, _values, null) r
    left join lateral (
      select true as held from goalpost.tasks
      where run_id = r.run_id and position = r.position and item = r.item
        and status = 'running' and worker = _worker and delivery = r.delivery for share) t on true
    where r.number = 0),
  saved as (
    insert into goalpost.checkpoints (run_id, position, item, key, value, at)
    select m.run_id, m.position, m.item, m.key, m.value, goalpost.now() from mark m where m.held on conflict do nothing)
  select json_agg(m.ord - 1) filter (where m.held is null) into _stale from mark m;
  return _stale;
end $$;
