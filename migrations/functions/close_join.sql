-- Gives a join the outputs of its leaves. One that would be skipped (_skip) is that only if no leaf is left. Returns what
-- it is now, completed or skipped.
create or replace function goalpost.close_join(_run uuid, _position int, _definition bigint, _skip boolean)
returns text language plpgsql as $$
declare
  _gathered record := goalpost.gather(_run, _position, _definition);
  _status   text := case when _skip and _gathered.leaves = 0 then 'skipped' else 'completed' end;
begin
  update goalpost.tasks set status = _status, output = case _status when 'completed' then _gathered.output end
  where run_id = _run and position = _position and item = -1;
  return _status;
end $$;
