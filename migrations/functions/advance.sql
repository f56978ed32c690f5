-- Counts down the dependents of tasks that became final. A dependent whose last dependency this was is ready, or,
-- if it settles by itself (gate, join, end), completed, and its own dependents are next. Runs whose end node is
-- reached are finished; their ids are returned.
create or replace function goalpost.advance(_runs uuid[], _positions int[], _definitions bigint[])
returns uuid[] language plpgsql as $$
declare
  _join_runs uuid[];
  _join_positions int[];
  _ended     uuid[];
  _ends      uuid[] := '{}';
begin
  while cardinality(_runs) > 0 loop
    with finished as (
      select * from unnest(_runs, _positions, _definitions) f(run_id, position, definition_id)),
    due as (
      select f.run_id, f.definition_id, e.dst as position, count(*)::int as n
      from finished f join goalpost.edges e on e.definition_id = f.definition_id and e.src = f.position
      group by 1, 2, 3),
    locked as (
      select t.run_id, t.position, d.n, d.definition_id
      from due d join goalpost.tasks t on t.run_id = d.run_id and t.position = d.position and t.item = -1
      order by t.run_id, t.position for update of t),
    child as (
      update goalpost.tasks t set deps_left = t.deps_left - l.n,
        status = case when t.deps_left > l.n then t.status
                      when s.kind in ('step', 'map', 'plan') then 'ready' else 'completed' end,
        finished_at = case when t.deps_left = l.n and s.kind not in ('step', 'map', 'plan') then goalpost.now() end
      from locked l join goalpost.steps s on s.definition_id = l.definition_id and s.position = l.position
      where t.run_id = l.run_id and t.position = l.position and t.item = -1 and t.status = 'waiting'
      returning t.run_id, t.position, t.definition_id, t.status, s.kind, s.rank, s.lane),
    queued as (
      insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
      select coalesce(c.lane, r.lane), r.prio, r.key, c.rank, c.run_id, c.position, -1
      from child c join goalpost.runs r on r.id = c.run_id where c.status = 'ready')
    select array_agg(c.run_id) filter (where c.kind <> 'end'), array_agg(c.position) filter (where c.kind <> 'end'),
      array_agg(c.definition_id) filter (where c.kind <> 'end'),
      array_agg(c.run_id) filter (where c.kind = 'join'), array_agg(c.position) filter (where c.kind = 'join'),
      array_agg(c.run_id) filter (where c.kind = 'end')
    into _runs, _positions, _definitions, _join_runs, _join_positions, _ended
    from child c where c.status = 'completed';
    _ends := _ends || _ended;

    if _join_runs is not null then
      update goalpost.tasks t set output = goalpost.gather(t.run_id, t.definition_id, t.position)
      from unnest(_join_runs, _join_positions) j(run_id, position)
      where t.run_id = j.run_id and t.position = j.position and t.item = -1;
    end if;
  end loop;
  if cardinality(_ends) > 0 then
    return goalpost.finish_runs(_ends);
  end if;
  return _ends;
end $$;
