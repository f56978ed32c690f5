-- What advance() leaves to do for joins and maps among the tasks that it decided: joins gather the outputs of their
-- leaves, or are skipped if every one of these was; maps are expanded. Gives back those that are final now, among the
-- others that were, and the runs that are over.
create or replace function goalpost.complete_children(
  _decided goalpost.decided[], inout over uuid[], out decided goalpost.decided[]) language plpgsql as $$
declare
  _runs        uuid[];
  _positions   int[];
  _definitions bigint[];
  _mapped      record;
begin
  with gathered as materialized (
    select j.run_id, j.position, -1 as item, j.output, d.skip and j.leaves = 0 as dead
    from (select array_agg(d.run_id) as r, array_agg(d.position) as p, array_agg(d.definition_id) as f
      from unnest(_decided) d where d.kind = 'join') a
    cross join lateral goalpost.gather(a.r, a.p, a.f) j
    join unnest(_decided) d on d.run_id = j.run_id and d.position = j.position
    where a.r is not null),
  joined as (
    update goalpost.tasks t set output = case when not g.dead then g.output end,
      status = case when g.dead then 'skipped' else 'completed' end
    from gathered g where t.run_id = g.run_id and t.position = g.position and t.item = g.item
    returning t.run_id, t.position, t.status)
  select array_agg(row(d.run_id, d.position, d.definition_id, d.kind, coalesce(j.status, d.status), d.delivery, d.skip,
    d.cascades or coalesce(j.status = 'skipped', false))::goalpost.decided)
  into decided
  from unnest(_decided) d left join joined j on j.run_id = d.run_id and j.position = d.position
  where d.kind <> 'map' or d.status = 'skipped';

  select array_agg(d.run_id), array_agg(d.position), array_agg(d.definition_id) into _runs, _positions, _definitions
  from unnest(_decided) d where d.kind = 'map' and d.status = 'ready';
  if _runs is not null then
    select * into _mapped from goalpost.expand_maps(_runs, _positions, _definitions);
    over := over || _mapped.over;
    select decided || array_agg(row(k.run_id, k.position, k.definition_id, 'map', 'completed', 0, false,
      false)::goalpost.decided) into decided
    from goalpost.read_keys(_mapped.runs, _mapped.positions, _mapped.definitions, null) k;
  end if;
end $$;
