-- Expands the maps that a run begins with: over its input, or, if it retries another, over what was carried over. Returns the run if it is over by that: it has nothing but empty maps, or its
-- input is no array.
create or replace function goalpost.begin_run(_run uuid) returns uuid[] language plpgsql as $$
declare
  _runs        uuid[];
  _positions   int[];
  _definitions bigint[];
  _got         goalpost.advanced;
  _over        uuid[];
begin
  select array_agg(t.run_id), array_agg(t.position), array_agg(t.definition_id)
  into _runs, _positions, _definitions
  from (select definition_id from goalpost.runs where id = _run) r
  cross join lateral (
    select position from goalpost.steps
    where definition_id = r.definition_id and kind = 'map' offset 0) s
  cross join lateral (
    select run_id, position, definition_id from goalpost.tasks
    where run_id = _run and position = s.position and item = -1 and status = 'ready' offset 0) t;
  if _runs is null then
    return null;
  end if;
  select e.over, e.runs, e.positions, e.definitions into _over, _runs, _positions, _definitions
  from goalpost.expand_maps(_runs, _positions, _definitions) e;
  _got := goalpost.advance(_runs, _positions, _definitions, null, true, null, null, 0, null);
  return _over || _got.over;
end $$;
