-- Takes a worker's reports. Each is fenced by (worker, delivery): a stale one changes nothing and is refused, a
-- repeated one is acknowledged. progress: the runs that are final now, whoever ended them, and tasks that go straight
-- to the worker (see advance).
-- _reports: see read_reports; sorted by run, position, item. The word is the outcome, the number belongs to it:
--   completed: payload is the output; shape, if any, is what the run grows by
--   skipped:   the task's condition was not met; number 1: those that need it are skipped, too
--   retry:     payload is the error; the task is ready again after so many milliseconds
--   failed:    payload is the error; number 1: it is no attempt. What follows, the step's on_exhausted says
--   released:  the task was not carried through (its worker stops, or lacks the code): ready again after so many ms
create or replace function goalpost.settle(
  _worker uuid, _reports json, _payloads json, _shapes json, _extras boolean, _lanes text[], _room int,
  _head goalpost.place, out refused json, out progress goalpost.advanced)
language plpgsql as $$
declare
  _at timestamptz := goalpost.now();
  _settled     bigint[];
  _runs        uuid[];
  _positions   int[];
  _definitions bigint[];
  _cascades    boolean[];
  _fatal       bigint[];
  _items       boolean;
  _other       boolean;
  _grows       boolean;
  _more        record;
begin
  with report as materialized (
    select r.*, 'running' as was, _worker as worker from goalpost.read_reports(_reports, _payloads, _shapes) r),
  settled as (
    update goalpost.tasks t set
      status = case when r.outcome in ('completed', 'skipped', 'failed') then r.outcome else 'ready' end,
      output = case when r.outcome = 'completed' then r.payload end,
      error = case when r.outcome = 'failed' then r.payload end,
      failures = t.failures + case when r.outcome = 'retry' or (r.outcome = 'failed' and r.number = 0) then 1 else 0 end,
      started_at = case when r.outcome <> 'skipped' then t.started_at end,
      finished_at = case when r.outcome in ('completed', 'skipped', 'failed') then _at end
    from report r
    where t.run_id = r.run_id and t.position = r.position and t.item = r.item
      and t.status = r.was and t.worker = r.worker and t.delivery = r.delivery
    returning r.ord, r.outcome, r.number, t.run_id, t.position, t.item, t.definition_id, r.shape is not null as grows,
      r.outcome in ('completed', 'skipped') and t.item < 0 as counts)
  select array_agg(ord), array_agg(run_id) filter (where counts), array_agg(position) filter (where counts),
    array_agg(definition_id) filter (where counts), array_agg(outcome = 'skipped' and number = 1) filter (where counts),
    bool_or(outcome not in ('completed', 'skipped')), bool_or(grows), bool_or(item >= 0)
  into _settled, _runs, _positions, _definitions, _cascades, _other, _grows, _items from settled;

  if _extras and _settled is not null then
    perform goalpost.trace_reports(_reports, _payloads, _settled);
  end if;
  if _grows then
    for _more in
      select r.run_id, r.shape, u.definition_id
      from goalpost.read_reports(_reports, _payloads, _shapes) r
      cross join lateral (select definition_id from goalpost.runs where id = r.run_id offset 0) u
      where r.shape is not null and r.ord = any(_settled)
    loop
      perform goalpost.extend_run(_more.run_id, _more.definition_id, _more.shape);
    end loop;
  end if;
  if _other then
    select * into _more from goalpost.settle_failures(_worker, _reports, _payloads, _settled);
    _fatal := _more.fatal;
    _runs := _runs || _more.runs;
    _positions := _positions || _more.positions;
    _definitions := _definitions || _more.definitions;
    _cascades := _cascades || _more.cascades;
  end if;
  if _items then
    select * into _more from goalpost.settle_items(_reports, _settled);
    _runs := _runs || _more.runs;
    _positions := _positions || _more.positions;
    _definitions := _definitions || _more.definitions;
    _cascades := _cascades || array_fill(false, array[coalesce(cardinality(_more.runs), 0)]);
  end if;

  if _runs is not null then
    progress := goalpost.advance(_runs, _positions, _definitions, _cascades, _extras, _worker, _lanes, _room, _head);
  end if;
  if _extras and _settled is not null then
    perform goalpost.free_slots(_reports, _settled);
  end if;
  if _fatal is not null then
    progress.over := progress.over || goalpost.fail_runs(_reports, _payloads, _fatal);
  end if;

  if json_array_length(_reports) > coalesce(cardinality(_settled), 0) then
    select s.refused, progress.over || s.over into refused, progress.over
    from goalpost.refuse_reports(_worker, _reports, _payloads, _settled) s;
  end if;
end $$;
