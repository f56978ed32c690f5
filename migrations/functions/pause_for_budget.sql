-- Pauses the runs that a budget is of, as far as they are running, and remembers them: a run; a run and all below it; or,
-- of a label, all that belong together with the calling run (_line).
create or replace function goalpost.pause_for_budget(_budget goalpost.budgets, _line goalpost.run_line) returns void
language plpgsql as $$
declare
  _top uuid := case when _budget.scope = 'label' then _line.ids[cardinality(_line.ids)] else _budget.key::uuid end;
  _run uuid;
begin
  for _run in
    with recursive tree as (
      select _top as id
      union
      select r.id from tree
      cross join lateral (
        select id from goalpost.runs where parent_run_id = tree.id and _budget.scope <> 'run' offset 0) r)
    select id from tree where id is not null order by id
  loop
    perform goalpost.inflate(_run);
    update goalpost.runs set status = 'paused' where id = _run and status = 'running';
    if found then
      insert into goalpost.budget_pauses (budget_id, run_id) values (_budget.id, _run) on conflict do nothing;
      perform goalpost.emit(_run, 'workflow_paused', null);
    end if;
  end loop;
  perform goalpost.publish();
end $$;
