-- Stores what ctx.once made, for messages whose stream this worker still holds; returns the ordinals of the others.
create or replace function goalpost.mark_messages(_worker uuid, _marks json, _values json) returns json
language plpgsql as $$
declare
  _lost json;
begin
  with mark as materialized (
    select r.ord, r.head->>2 as message, r.head->>3 as key, r.payload as value, s.held
    from goalpost.read_mail(_marks, _values) r
    left join lateral (
      select true as held from goalpost.agent_streams
      where id = (r.head->>0)::bigint and worker = _worker and delivery = (r.head->>1)::bigint offset 0) s on true),
  saved as (
    insert into goalpost.agent_checkpoints (message, key, value, at)
    select m.message, m.key, m.value, goalpost.now() from mark m where m.held on conflict do nothing),
  noted as (
    update goalpost.agent_messages a set marked = true
    from (select distinct m.message, false as marked from mark m where m.held) m
    where a.id = m.message and a.marked = m.marked)
  select json_agg(m.ord - 1) filter (where m.held is null) into _lost from mark m;
  return _lost;
end $$;
