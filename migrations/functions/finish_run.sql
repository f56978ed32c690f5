-- Completes a run whose end node is reached; false if it is final already.
create or replace function goalpost.finish_run(_run uuid, _position int, _definition bigint)
returns boolean language plpgsql as $$
declare
  _output json := (goalpost.gather(_run, _position, _definition)).output;
  _traced boolean;
  _child  boolean;
begin
  update goalpost.runs set status = 'completed', finished_at = goalpost.now(), output = _output
  where id = _run and status in ('running', 'paused')
  returning traced, parent_run_id is not null into _traced, _child;
  if not found then
    return false;
  end if;
  if _traced then
    perform goalpost.emit(_run, 'workflow_completed', null);
  end if;
  if _child then
    perform goalpost.wake_parents(array[_run]);
  end if;
  return true;
end $$;
