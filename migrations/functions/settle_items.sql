-- Counts items that were completed down in their maps. A map whose last item this was is completed with the outputs in
-- the order of the items, and given back; in one with a limit, items that waited for room are ready now.
create or replace function goalpost.settle_items(
  _reports json, _settled bigint[], out runs uuid[], out positions int[], out definitions bigint[]) language plpgsql as $$
declare
  _at   timestamptz := goalpost.now();
  _done record;
  _map  record;
begin
  for _done in
    select r.run_id, r.position, count(*)::int as n
    from goalpost.read_reports(_reports, null, null) r
    where r.ord = any(_settled) and r.item >= 0 and r.outcome = 'completed'
    group by 1, 2 order by 1, 2
  loop
    update goalpost.tasks set deps_left = deps_left - _done.n,
      status = case when deps_left > _done.n then status else 'completed' end,
      finished_at = case when deps_left = _done.n then _at end
    where run_id = _done.run_id and position = _done.position and item = -1 and status = 'waiting'
    returning deps_left, next_item, definition_id into _map;
    if not found then
      continue;
    end if;
    if _map.deps_left = 0 then
      update goalpost.tasks set output = (
        select json_agg(i.output) from (
          select output from goalpost.tasks
          where run_id = _done.run_id and position = _done.position and item >= 0 order by run_id, position, item) i)
      where run_id = _done.run_id and position = _done.position and item = -1;
      perform goalpost.emit_task(_done.run_id, _done.position, 'task_completed', null);
      runs := runs || _done.run_id;
      positions := positions || _done.position;
      definitions := definitions || _map.definition_id;
    elsif _map.next_item is not null then
      perform goalpost.admit_items(_done.run_id, _done.position, _map.next_item, _done.n);
    end if;
  end loop;
end $$;
