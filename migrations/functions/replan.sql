-- A task has failed for good, and the plan of its run may be replaced: what has not begun of the compound task around it,
-- or of the whole plan, is taken out, what is under way goes on, and a node that plans the rest again becomes ready when
-- that is final. The caller counts the failed task down after. False if the run has to fail.
--
-- A unit is what stands right within the scope: a task, or a compound task with all that is in it. It is kept if it is
-- completed or has begun, unless what has failed is in it or it needs something that is taken out. The scope is the
-- smallest one of which nothing outside needs what is taken out. Two tasks of one scope may fail, one after the other,
-- before it is planned again: then it is planned again once.
create or replace function goalpost.replan(_run uuid, _position int, _error json) returns boolean language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _at         timestamptz := goalpost.now();
  _definition bigint;
  _failed     record;
  _growth     record;
  _scope      int;
  _plan       record;
  _nodes      goalpost.plan_node[];
  _node       goalpost.plan_node;
  -- By position + 1: the unit of a node, whether it blocks those that wait for it; of units: whether they are taken out.
  _unit_of    int[];
  _blocks     int[];
  _drop       int[];
  _more       int[];
  _gone       int[];
  _cancelled  int[];
  _under_way  int[];
  _stopped    int;
begin
  select r.definition_id into _definition
  from (select definition_id from goalpost.runs where id = _run offset 0) r
  cross join lateral (
    select 1 from goalpost.definitions where id = r.definition_id and max_replans is not null offset 0) d;
  if not found or substring(_error::text from '^\s*\{\s*"code"\s*:\s*"([A-Z_]+)"')
      in ('CANCELLED', 'RUN_DEADLINE', 'POISON', 'BUDGET_EXCEEDED', 'REJECTED') then
    return false;
  end if;
  perform 1 from goalpost.tasks t where t.run_id = _run
    and t.status in ('waiting', 'ready', 'running', 'suspended') order by t.position, t.item for update;
  perform 1 from goalpost.runs where id = _run and status in ('running', 'paused') for update;
  if not found then
    return false;
  end if;
  select kind, within, replaced into _failed from goalpost.steps
  where definition_id = _definition and position = _position;
  if _failed.replaced is not null then
    return true;
  end if;
  if _failed.kind = 'plan' or _failed.within is null then
    return false;
  end if;
  select max_replans, replans, next_position into _growth from goalpost.definitions where id = _definition;

  for _level in reverse cardinality(_failed.within)..1 loop
    _scope := _failed.within[_level];
    continue when exists (
      select 1 from goalpost.steps where definition_id = _definition and position = _scope and replaced is not null);
    select v.position, v.version into _plan
    from (select position, version from goalpost.plan_versions where run_id = _run and scope = _scope offset 0) v
    cross join lateral (
      select 1 from goalpost.tasks
      where run_id = _run and position = v.position and item = -1 and status = 'waiting' offset 0) t;
    _nodes := array(
      select n from goalpost.plan_nodes(_run, _definition, _scope) n where n.position is distinct from _plan.position);
    _unit_of := array_fill(-1, array[_growth.next_position]);
    _blocks := array_fill(0, array[_growth.next_position]);
    -- 0: kept; 1: taken out; 2: is to be, unless something in it has begun.
    _drop := array_fill(0, array[_growth.next_position]);
    foreach _node in array _nodes loop
      _unit_of[_node.position + 1] := _node.unit;
      if _node.position = _position or not (_node.final or _node.begun) then
        _blocks[_node.position + 1] := 1;
      end if;
      if _node.position = _position or _node.position = _node.unit
          and (_node.status in ('failed', 'skipped') or _node.kind = 'plan' and not _node.final) then
        _drop[_node.unit + 1] := 1;
      elsif _node.position = _node.unit and not (_node.final or _node.begun) then
        _drop[_node.unit + 1] := 2;
      elsif _node.begun and _drop[_node.unit + 1] = 2 then
        _drop[_node.unit + 1] := 0;
      end if;
    end loop;
    loop
      _more := array(
        select distinct n.unit from unnest(_nodes) n
        cross join lateral (
          select src from goalpost.edges where definition_id = _definition and dst = n.position offset 0) e
        where not n.final and _drop[n.unit + 1] = 0 and _unit_of[e.src + 1] >= 0 and _blocks[e.src + 1] = 1
          and _drop[_unit_of[e.src + 1] + 1] > 0);
      exit when cardinality(_more) = 0;
      for _i in 1..cardinality(_more) loop
        _drop[_more[_i] + 1] := 1;
      end loop;
    end loop;
    exit when not exists (
      select 1 from unnest(_nodes) n
      cross join lateral (
        select dst from goalpost.edges where definition_id = _definition and src = n.position offset 0) e
      cross join lateral (
        select 1 from goalpost.tasks
        where run_id = _run and position = e.dst and item = -1 and status = 'waiting' offset 0) t
      where _drop[n.unit + 1] > 0 and _blocks[n.position + 1] = 1 and _unit_of[e.dst + 1] = -1
        and e.dst <> _scope and e.dst is distinct from _plan.position);
  end loop;
  if _plan.position is null and _growth.replans >= _growth.max_replans then
    return false;
  end if;

  -- An item that failed for good is the end of its map.
  update goalpost.tasks set status = 'failed', error = _error, finished_at = _at
  where run_id = _run and position = _position and item = -1 and status = 'waiting';
  if found then
    perform goalpost.emit_task(_run, _position, 'task_failed', 1, json_build_object('error', _error));
  end if;
  select count(*) into _stopped from goalpost.tasks
  where run_id = _run and position = _position and item >= 0 and status = 'running';
  update goalpost.tasks set status = 'cancelled', finished_at = _at
  where run_id = _run and position = _position and item >= 0 and finished_at is null;

  _cancelled := array(
    select n.position from unnest(_nodes) n
    where _drop[n.unit + 1] > 0 and _blocks[n.position + 1] = 1 and n.position <> _position);
  _gone := _cancelled || _position || array(
    select n.position from unnest(_nodes) n
    where _drop[n.unit + 1] > 0 and n.status in ('failed', 'skipped') and n.position <> _position);
  _gone := _gone || array(
    select n.position from unnest(_nodes) n
    where n.kind in ('gate', 'plan') and n.final and n.owner = any(_gone) and n.position <> all(_gone));
  _under_way := array(
    select n.position from unnest(_nodes) n
    where n.kind in ('step', 'map', 'join') and not n.final and n.position <> _position
      and (_drop[n.unit + 1] > 0 and n.begun or _drop[n.unit + 1] = 0 and n.position = n.unit));
  _stopped := _stopped + (
    select count(*) from unnest(_nodes) n
    where _drop[n.unit + 1] > 0 and n.kind = 'plan' and n.status = 'running');
  with task as materialized (select _run as run_id, c.position, -1 as item from unnest(_cancelled) c(position))
  update goalpost.tasks t set status = 'cancelled', finished_at = _at
  from task c where t.run_id = c.run_id and t.position = c.position and t.item = c.item;

  if _plan.position is null then
    select _growth.next_position as position, coalesce(max(version), 1) + 1 as version into _plan
    from goalpost.plan_versions where run_id = _run;
    perform goalpost.add_replan(_run, _definition, _scope, _plan.version);
    insert into goalpost.plan_versions (run_id, version, position, scope, failed, error, created_at)
    values (_run, _plan.version, _plan.position, _scope, _position, _error, _at);
  end if;
  with node as materialized (select _definition as definition_id, g.position from unnest(_gone) g(position))
  update goalpost.steps s set replaced = _plan.version, name = concat(s.name, '@v', _plan.version - 1)
  from node n where s.definition_id = n.definition_id and s.position = n.position;

  -- What is kept leads into the join again when the new plan says how.
  delete from goalpost.edges where definition_id = _definition and dst in (_scope, _plan.position);
  insert into goalpost.edges (definition_id, src, dst, reason, optional)
  select _definition, u.position, _plan.position, 'order', true from unnest(_under_way || _position) u(position)
  union all
  select _definition, _plan.position, _scope, 'order', false;
  update goalpost.tasks set deps_left = cardinality(_under_way) + 1
  where run_id = _run and position = _plan.position and item = -1;
  update goalpost.tasks set deps_left = 1, skip = false
  where run_id = _run and position = _scope and item = -1 and status = 'waiting';
  perform goalpost.forget_slots(_run, _gone, _stopped);
  return true;
end $$;
