-- Stores what ctx.once made, for tasks that this worker still holds; returns the ordinals of those it lost.
-- _marks: [[run, position, item, delivery, key, value], …]
create or replace function goalpost.save_checkpoints(_worker uuid, _marks json) returns json language plpgsql as $$
declare
  _stale json;
begin
  with mark as (select m.v, m.ord from json_array_elements(_marks) with ordinality m(v, ord)),
  held as (
    select m.ord, m.v, t.run_id, t.position, t.item from mark m
    join goalpost.tasks t on t.run_id = (m.v->>0)::uuid and t.position = (m.v->>1)::int and t.item = (m.v->>2)::int
    where t.status = 'running' and t.worker = _worker and t.delivery = (m.v->>3)::int
    order by t.run_id, t.position, t.item for share of t),
  saved as (
    insert into goalpost.checkpoints (run_id, position, item, key, value, at)
    select h.run_id, h.position, h.item, h.v->>4, h.v->5, goalpost.now() from held h on conflict do nothing)
  select json_agg(m.ord - 1) into _stale from mark m where not exists (select 1 from held h where h.ord = m.ord);
  return _stale;
end $$;
