-- Removes runs that ended before _before, a whole tree at once: a run that was started by nobody else, with the runs
-- that it started, if all of them ended before then. Goes on behind (_from, _from_id), oldest first, until about _batch
-- runs are removed or enough was looked at; last_at and last_id say how far it came. Runs that somebody has locked,
-- because they are being retried or removed, are left for another time. With _dry it only counts.
create or replace function goalpost.prune_runs(_before timestamptz, _batch int, _from timestamptz, _from_id uuid,
  _dry boolean, out runs int, out tasks int, out last_at timestamptz, out last_id uuid, out done boolean)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _root   record;
  _tree   uuid[];
  _old    uuid[] := '{}';
  _looked int := 0;
begin
  done := true;
  for _root in
    select r.id, r.created_at, r.finished_at from goalpost.runs r
    where r.created_at < _before and (r.created_at, r.id) > (_from, _from_id) and r.parent_run_id is null
    order by r.created_at, r.id limit 20 * _batch
  loop
    last_at := _root.created_at;
    last_id := _root.id;
    _looked := _looked + 1;
    done := false;
    continue when _root.finished_at is null or _root.finished_at >= _before;
    _tree := goalpost.finished_tree(_root.id, _before);
    if _tree is not null then
      _old := _old || _tree;
      exit when cardinality(_old) >= _batch;
    end if;
  end loop;
  runs := cardinality(_old);
  if _dry then
    select count(*) + goalpost.count_compact_tasks(_old) into tasks from goalpost.tasks t where t.run_id = any(_old);
  else
    tasks := goalpost.forget_runs(_old);
  end if;
end $$;
