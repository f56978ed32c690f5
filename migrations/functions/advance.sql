-- Counts down the dependents of tasks that became final. A dependent whose last dependency this was is ready, or,
-- if it settles by itself (gate, join, end), completed, and its own dependents are next. Runs whose end node is
-- reached are finished; their ids are returned. The update locks children in the order in which they are counted.
create or replace function goalpost.advance(_runs uuid[], _positions int[], _definitions bigint[])
returns uuid[] language plpgsql as $$
declare
  _at timestamptz := goalpost.now();
  _join_runs uuid[];
  _join_positions int[];
  _join_definitions bigint[];
  _ended     uuid[];
  _ended_positions int[];
  _ended_definitions bigint[];
  _ends      uuid[] := '{}';
  _end_positions int[] := '{}';
  _end_definitions bigint[] := '{}';
begin
  while cardinality(_runs) > 0 loop
    with due as (
      select f.run_id, f.definition_id, e.dst as position, count(*)::int as n
      from goalpost.read_keys(_runs, _positions, _definitions) f
      cross join lateral (
        select dst from goalpost.edges where definition_id = f.definition_id and src = f.position offset 0) e
      group by 1, 2, 3 order by 1, 3),
    counted as materialized (
      select d.run_id, d.position, -1 as item, 'waiting' as was, d.n, s.kind, s.rank, s.lane
      from due d
      cross join lateral (
        select kind, rank, lane from goalpost.steps
        where definition_id = d.definition_id and position = d.position offset 0) s),
    child as (
      update goalpost.tasks t set deps_left = t.deps_left - l.n,
        status = case when t.deps_left > l.n then t.status
                      when l.kind in ('step', 'map', 'plan') then 'ready' else 'completed' end,
        finished_at = case when t.deps_left = l.n and l.kind not in ('step', 'map', 'plan') then _at end
      from counted l
      where t.run_id = l.run_id and t.position = l.position and t.item = l.item and t.status = l.was
      returning t.run_id, t.position, t.definition_id, t.status, l.kind, l.rank, l.lane),
    queued as (
      insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
      select goalpost.lane_of(r.lane, c.lane), r.prio, r.key, c.rank, c.run_id, c.position, -1
      from child c
      cross join lateral (select lane, prio, key from goalpost.runs where id = c.run_id offset 0) r
      where c.status = 'ready')
    select array_agg(c.run_id) filter (where c.kind <> 'end'), array_agg(c.position) filter (where c.kind <> 'end'),
      array_agg(c.definition_id) filter (where c.kind <> 'end'),
      array_agg(c.run_id) filter (where c.kind = 'join'), array_agg(c.position) filter (where c.kind = 'join'),
      array_agg(c.definition_id) filter (where c.kind = 'join'),
      array_agg(c.run_id) filter (where c.kind = 'end'), array_agg(c.position) filter (where c.kind = 'end'),
      array_agg(c.definition_id) filter (where c.kind = 'end')
    into _runs, _positions, _definitions, _join_runs, _join_positions, _join_definitions,
      _ended, _ended_positions, _ended_definitions
    from child c where c.status = 'completed';
    _ends := _ends || _ended;
    _end_positions := _end_positions || _ended_positions;
    _end_definitions := _end_definitions || _ended_definitions;

    if _join_runs is not null then
      with gathered as materialized (
        select j.run_id, j.position, -1 as item, j.output
        from goalpost.gather(_join_runs, _join_positions, _join_definitions) j)
      update goalpost.tasks t set output = g.output
      from gathered g where t.run_id = g.run_id and t.position = g.position and t.item = g.item;
    end if;
  end loop;
  if cardinality(_ends) > 0 then
    return goalpost.finish_runs(_ends, _end_positions, _end_definitions);
  end if;
  return _ends;
end $$;
