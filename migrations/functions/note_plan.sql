-- Notes that a plan was made, and, if it replaces another, what it changed: see extend_run.
create or replace function goalpost.note_plan(_run uuid, _position int, _definition bigint, _shape json) returns void
language plpgsql as $$
declare
  _diff  json := (goalpost.json_items((goalpost.json_items(_shape))[5]))[1];
  _made  record;
  _scope text;
begin
  update goalpost.plan_versions v set diff = _diff where v.run_id = _run and v.position = _position
  returning v.version, v.failed, v.error into _made;
  if not exists (select 1 from goalpost.runs where id = _run and traced) then
    return;
  end if;
  select j.name into _scope
  from (select within from goalpost.steps where definition_id = _definition and position = _position offset 0) s
  cross join lateral (
    select name from goalpost.steps
    where definition_id = _definition and position = s.within[cardinality(s.within)] and kind = 'join' offset 0) j;
  perform goalpost.emit(_run, 'plan_created', json_build_object('plan', json_build_object('version',
    coalesce(_made.version, (select max(version) from goalpost.plan_versions where run_id = _run), 1), 'scope', _scope)));
  if _made.version is not null then
    perform goalpost.emit(_run, 'plan_replaced', json_build_object('plan', json_build_object('version', _made.version,
      'scope', _scope, 'diff', _diff, 'reason', json_build_object('taskId', (
        select split_part(name, '@', 1) from goalpost.steps
        where definition_id = _definition and position = _made.failed),
        'code', substring(_made.error::text from '^\s*\{\s*"code"\s*:\s*"([A-Z_]+)"')))));
  end if;
end $$;
