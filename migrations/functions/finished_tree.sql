-- A run that was started by nobody else and all runs that it led to, parents first; null unless all of them ended before
-- _before. The first one is locked: whoever retries it waits, or was first, and then this is null as well.
create or replace function goalpost.finished_tree(_root uuid, _before timestamptz) returns uuid[] language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
declare
  _level uuid[];
  _young boolean;
  _tree  uuid[];
begin
  _level := array(
    select r.id from goalpost.runs r where r.id = _root and r.finished_at < _before for update skip locked);
  while cardinality(_level) > 0 loop
    _tree := _tree || _level;
    select array_agg(r.id order by r.id), bool_or(r.finished_at is null or r.finished_at >= _before)
    into _level, _young from goalpost.runs r where r.parent_run_id = any(_level);
    if _young then
      return null;
    end if;
  end loop;
  return _tree;
end $$;
