-- Starts the children of a task that is being parked: where it runs itself, for the same owner, and as urgent.
-- _parts: see suspend_tasks.
create or replace function goalpost.start_children(_run uuid, _position int, _parts json[]) returns void
language plpgsql as $$
declare
  _starts json;
begin
  select json_agg(json_build_array(h.v->0, h.v->1, h.v->2, h.v->3, r.execution, r.lane, r.prio, r.owner, _run, _position,
      r.root_run_id, h.v->11, h.v->12, h.v->13, h.v->14, h.v->15, h.v->16, h.v->17, h.v->18) order by h.ord)
  into _starts
  from json_array_elements(_parts[2]) with ordinality h(v, ord)
  cross join lateral (
    select execution, lane, prio, owner, root_run_id from goalpost.runs where id = _run offset 0) r;
  perform goalpost.start_runs(_starts, _parts[3], case when json_typeof(_parts[4]) <> 'null' then _parts[4] end, true,
    null, null, 0, null);
end $$;
