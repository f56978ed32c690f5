-- A plan that replaces another is made: what is final right within its scope, and not completed, is replaced as well, and
-- its names are free. It went on when the rest was replaced, and failed or was skipped without failing the run.
create or replace function goalpost.make_room(_run uuid, _position int, _definition bigint) returns void
language plpgsql as $$
declare
  _made record;
begin
  select v.version, v.scope into _made from goalpost.plan_versions v where v.run_id = _run and v.position = _position;
  with gone as materialized (
    select _definition as definition_id, n.position
    from goalpost.plan_nodes(_run, _definition, _made.scope) n
    cross join lateral (
      select 1 from goalpost.tasks
      where run_id = _run and position = n.unit and item = -1 and status in ('failed', 'skipped') offset 0) u
    where n.status in ('failed', 'skipped'))
  update goalpost.steps s set replaced = _made.version, name = concat(s.name, '@v', _made.version - 1)
  from gone g where s.definition_id = g.definition_id and s.position = g.position;
end $$;
