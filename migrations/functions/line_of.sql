-- A run and those that led to it, itself first. labels: those of all of them; of two with one key the nearer one's. status
-- is the run's own.
create or replace function goalpost.line_of(_run uuid) returns goalpost.run_line language plpgsql as $$
declare
  _line goalpost.run_line;
  _at   record;
  _next uuid := _run;
begin
  _line.ids := '{}';
  _line.unbilled := '{}';
  while _next is not null loop
    select r.parent_run_id, r.root_run_id, r.labels, r.billed, r.status into _at
    from goalpost.runs r where r.id = _next;
    exit when not found;
    _line.ids := _line.ids || _next;
    if not _at.billed then
      _line.unbilled := _line.unbilled || _next;
    end if;
    _line.labels := coalesce(_at.labels || _line.labels, _line.labels, _at.labels);
    _line.root := coalesce(_line.root, _at.root_run_id);
    _line.status := coalesce(_line.status, _at.status);
    _next := _at.parent_run_id;
  end loop;
  return _line;
end $$;
