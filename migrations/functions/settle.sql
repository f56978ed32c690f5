-- Takes a worker's reports. Each is fenced by (worker, delivery): a stale one changes nothing and is refused, a
-- repeated one is acknowledged. progress: the runs that are final now, whoever ended them, and tasks that go straight
-- to the worker (see advance).
-- _reports: see read_reports; sorted by run, position, item. The word is the outcome, the number belongs to it:
--   completed: payload is the output; shape, if any, is what the run grows by
--   skipped:   the task's condition was not met; number 1: those that need it are skipped, too
--   retry:     payload is the error; the task is ready again after so many milliseconds
--   failed:    payload is the error; number 1: it is no attempt. What follows, the step's on_exhausted says
--   suspended: payload is what the task waits for: see suspend_tasks
--   released:  the task was not carried through (its worker stops, or lacks the code): ready again after so many ms
--
-- Here and in the functions that it calls a few rows are changed one at a time, by key, and many by one statement: one
-- large statement costs as much to begin as several rows by key, but then only half as much for each row.
create or replace function goalpost.settle(
  _worker uuid, _reports json, _payloads json, _shapes json, _extras boolean, _lanes text[], _room int,
  _head goalpost.place, out refused json, out progress goalpost.advanced)
language plpgsql as $$
declare
  _at          timestamptz := goalpost.now();
  _report      record;
  _definition  bigint;
  _settled     bigint[] := '{}';
  _runs        uuid[] := '{}';
  _positions   int[] := '{}';
  _definitions bigint[] := '{}';
  _cascades    boolean[] := '{}';
  _known       text[];
  _count       int;
  _items       boolean := false;
  _other       boolean := false;
  _grows       boolean := false;
  _suspends    boolean := false;
  _fatal       bigint[];
  _more        record;
begin
  _count := json_array_length(_reports);
  if _count > 8 then
    with report as materialized (
      select r.*, 'running' as was, _worker as worker from goalpost.read_reports(_reports, _payloads, _shapes) r),
    settled as (
      update goalpost.tasks t set
        status = case when r.outcome in ('retry', 'released') then 'ready' else r.outcome end,
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
    select coalesce(array_agg(ord), '{}'), array_agg(run_id) filter (where counts), array_agg(position) filter (where counts),
      array_agg(definition_id) filter (where counts), array_agg(outcome = 'skipped' and number = 1) filter (where counts),
      coalesce(bool_or(outcome not in ('completed', 'skipped', 'suspended')), false),
      coalesce(bool_or(outcome = 'suspended'), false), coalesce(bool_or(grows), false), coalesce(bool_or(item >= 0), false),
      array_agg(concat(run_id, 'tf')) filter (where counts)
        || array_agg(concat(run_id, position)) filter (where counts and outcome = 'completed')
    into _settled, _runs, _positions, _definitions, _cascades, _other, _suspends, _grows, _items, _known from settled;
  else
    for _report in select * from goalpost.read_reports(_reports, _payloads, _shapes) loop
      if _report.outcome = 'completed' then
        update goalpost.tasks t set status = 'completed', output = _report.payload, finished_at = _at
        where t.run_id = _report.run_id and t.position = _report.position and t.item = _report.item
          and t.status = 'running' and t.worker = _worker and t.delivery = _report.delivery
        returning t.definition_id into _definition;
      else
        update goalpost.tasks t set
          status = case when _report.outcome in ('skipped', 'failed', 'suspended') then _report.outcome else 'ready' end,
          error = case when _report.outcome = 'failed' then _report.payload end,
          failures = t.failures + case when _report.outcome = 'retry' or (_report.outcome = 'failed' and _report.number = 0)
            then 1 else 0 end,
          started_at = case when _report.outcome <> 'skipped' then t.started_at end,
          finished_at = case when _report.outcome in ('skipped', 'failed') then _at end
        where t.run_id = _report.run_id and t.position = _report.position and t.item = _report.item
          and t.status = 'running' and t.worker = _worker and t.delivery = _report.delivery
        returning t.definition_id into _definition;
      end if;
      continue when not found;
      _settled := _settled || _report.ord;
      _grows := _grows or _report.shape is not null;
      if _report.item >= 0 then
        _items := true;
      elsif _report.outcome in ('completed', 'skipped') then
        _runs := _runs || _report.run_id;
        _positions := _positions || _report.position;
        _definitions := _definitions || _definition;
        _cascades := _cascades || (_report.outcome = 'skipped' and _report.number = 1);
        _known := _known || concat(_report.run_id, 'tf');
        if _report.outcome = 'completed' then
          _known := _known || concat(_report.run_id, _report.position);
        end if;
      end if;
      _suspends := _suspends or _report.outcome = 'suspended';
      _other := _other or _report.outcome not in ('completed', 'skipped', 'suspended');
    end loop;
  end if;

  if _extras then
    perform goalpost.trace_reports(_reports, _payloads, _settled);
  end if;
  if _grows then
    for _more in
      select r.run_id, r.position, r.shape, u.definition_id
      from goalpost.read_reports(_reports, _payloads, _shapes) r
      cross join lateral (select definition_id from goalpost.runs where id = r.run_id offset 0) u
      where r.shape is not null and r.ord = any(_settled)
    loop
      perform goalpost.extend_run(_more.run_id, _more.position, _more.definition_id, _more.shape);
      perform goalpost.note_plan(_more.run_id, _more.position, _more.definition_id, _more.shape);
    end loop;
  end if;
  if _other then
    _more := goalpost.settle_failures(_worker, _reports, _payloads, _settled);
    _fatal := _more.fatal;
    _runs := _runs || _more.runs;
    _positions := _positions || _more.positions;
    _definitions := _definitions || _more.definitions;
    _cascades := _cascades || _more.cascades;
  end if;
  if _items then
    _more := goalpost.settle_items(_reports, _settled);
    _runs := _runs || _more.runs;
    _positions := _positions || _more.positions;
    _definitions := _definitions || _more.definitions;
    _cascades := _cascades || array_fill(false, array[coalesce(cardinality(_more.runs), 0)]);
  end if;

  if _suspends then
    perform goalpost.suspend_tasks(_reports, _payloads, _settled);
  end if;
  if cardinality(_runs) > 0 then
    progress := goalpost.advance(_runs, _positions, _definitions, _cascades, _extras, _worker, _lanes, _room, _head);
  end if;
  if _extras then
    perform goalpost.free_slots(_reports, _settled);
  end if;
  if _fatal is not null then
    _more := goalpost.fail_runs(_reports, _payloads, _fatal);
    progress.over := progress.over || _more.over;
    progress.queued := progress.queued || _more.queued;
  end if;

  progress.known := _known;
  if _count > cardinality(_settled) then
    _more := goalpost.refuse_reports(_worker, _reports, _payloads, _settled);
    refused := _more.refused;
    progress.over := progress.over || _more.over;
  end if;
end $$;
