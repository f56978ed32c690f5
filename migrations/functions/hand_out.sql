-- Writes down what this call hands out: the tasks that went straight to the worker, and others from its lanes while there
-- is room. Returns whether there is anything.
create or replace function goalpost.hand_out(
  _worker uuid, _seq bigint, _room int, _lanes text[], _children goalpost.advanced, _roots goalpost.advanced)
returns boolean language plpgsql as $$
declare
  _claimed goalpost.advanced;
begin
  if _room > 0 and (goalpost.best_place(_lanes)).key is not null then
    _claimed := goalpost.claim(_worker, _room, _lanes);
  end if;
  if _children.runs is null and _roots.runs is null and _claimed.runs is null then
    return false;
  end if;
  insert into goalpost.handouts (worker, seq, run_ids, positions, items, deliveries, at)
  values (_worker, _seq, _children.runs || _roots.runs || _claimed.runs,
    _children.positions || _roots.positions || _claimed.positions, _children.items || _roots.items || _claimed.items,
    _children.deliveries || _roots.deliveries || _claimed.deliveries, goalpost.now());
  return true;
end $$;
