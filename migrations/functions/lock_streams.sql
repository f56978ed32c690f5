-- Locks every stream that a call touches, in the order of their ids. Returns those of its own that the worker does not
-- hold any more: [[stream, delivery], …].
create or replace function goalpost.lock_streams(_worker uuid, _reports json, _notes json, _sends json, _marks json)
returns json language plpgsql as $$
declare
  _stale json;
begin
  perform 1
  from (
    select distinct t.id
    from (
      select (r.head->>0)::bigint as id from goalpost.read_mail(_reports, null) r
      union all
      select (r.head->>0)::bigint from goalpost.read_mail(_notes, null) r
      union all
      select (r.head->>0)::bigint from goalpost.read_mail(_marks, null) r
      union all
      select s.id
      from (select distinct r.head->>1 as agent, coalesce(r.head->>2, '?' || (r.head->>0)) as sender
        from goalpost.read_mail(_sends, null) r) n
      cross join lateral (
        select id from goalpost.agent_streams where agent = n.agent and sender = n.sender offset 0) s) t
    order by t.id) o
  cross join lateral (select 1 from goalpost.agent_streams where id = o.id for update) l;
  select json_agg(json_build_array((r.head->>0)::bigint, (r.head->>1)::bigint)) into _stale
  from goalpost.read_mail(_reports, null) r
  where not exists (
    select 1 from goalpost.agent_streams s
    where s.id = (r.head->>0)::bigint and s.worker = _worker and s.delivery = (r.head->>1)::bigint);
  return _stale;
end $$;
