-- Writes down what this call hands out; returns whether there is anything.
create or replace function goalpost.hand_out(
  _worker uuid, _seq bigint, _children goalpost.advanced, _roots goalpost.advanced, _claimed goalpost.advanced)
returns boolean language plpgsql as $$
begin
  if _children.runs is null and _roots.runs is null and _claimed.runs is null then
    return false;
  end if;
  insert into goalpost.handouts (worker, seq, run_ids, positions, items, deliveries, at)
  values (_worker, _seq, _children.runs || _roots.runs || _claimed.runs,
    _children.positions || _roots.positions || _claimed.positions, _children.items || _roots.items || _claimed.items,
    _children.deliveries || _roots.deliveries || _claimed.deliveries, goalpost.now());
  return true;
end $$;
