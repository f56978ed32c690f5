-- A run as reply() tells of it, as JSON text.
create or replace function goalpost.run_text(_run uuid, _reads boolean, _plans boolean) returns text language plpgsql as $$
declare
  _of record;
begin
  select r.input, r.settings, r.workflow, r.source, r.traced or r.max_parallel is not null
      or (r.execution = 'distributed' and goalpost.is_capped(r.lane)) as extras into _of
  from goalpost.runs r where r.id = _run;
  return concat('["', _run, '",', case when _reads then _of.input else 'null' end, ',',
    case when _plans then coalesce(_of.settings, 'null') else 'null' end, ',', to_json(_of.workflow), ',"', _of.source,
    '",', to_json(_of.extras), ']');
end $$;
