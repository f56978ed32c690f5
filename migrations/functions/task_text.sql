-- A task as reply() hands it out, as JSON text.
create or replace function goalpost.task_text(
  _run uuid, _position int, _item int, _delivery int, _failures int, _definition bigint, _input json)
returns text language plpgsql as $$
declare
  _checkpoints json;
  _waits       json;
begin
  -- Only a task that was handed out before can have any.
  if _delivery > 1 then
    select json_object_agg(p.key, p.value) into _checkpoints
    from goalpost.checkpoints p where p.run_id = _run and p.position = _position and p.item = _item;
    _waits := goalpost.answers_of(_run, _position, _item);
  end if;
  return concat('["', _run, '",', _position, ',', _item, ',', _delivery, ',', _failures, ',', _definition, ',',
    coalesce(_input, 'null'), ',', coalesce(_checkpoints, 'null'), ',', coalesce(_waits, 'null'), ']');
end $$;
