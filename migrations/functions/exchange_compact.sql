-- The call that a worker makes for its compact runs: it stores some, whose first tasks are the worker's once this is
-- committed, and settles tasks of others, whose dependents are. A repeated call changes nothing and answers the same.
-- _ids, _definitions, _inputs: the runs to store, in the worker's own lane.
-- _runs (sorted), _entries, _outputs: what was completed of which run, [[position, output], …], and the run's output, or
--   null if something is left of it. An entry for a run that somebody has inflated changes nothing.
-- Answers null, or {"gone": [place in _runs, …], "billed": [finished run that calls were made for, …]}.
create or replace function goalpost.exchange_compact(
  _worker uuid, _seq bigint, _lane text, _ids uuid[], _definitions bigint[], _inputs json,
  _runs uuid[], _entries json, _outputs json, _now timestamptz)
returns text language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set jit = off set plan_cache_mode = force_generic_plan
as $$
declare
  _at     timestamptz;
  _epoch  double precision;
  _noted  uuid[];
  _billed uuid[];
  _gone   json;
begin
  -- See exchange. Who finds the worker lost waits here, too, or is waited for.
  perform pg_advisory_xact_lock(hashtextextended(_worker::text, 0));
  if _now is not null then
    perform set_config('goalpost.fake_now', _now::text, true);
  end if;
  _at := goalpost.now();
  _epoch := extract(epoch from _at);
  if _ids is not null then
    insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, owner, root_run_id,
      input, created_at, journal)
    select s.id, s.definition, (select name from goalpost.definitions where id = s.definition), 'static', 'running',
      'local', _lane, 0, _epoch, _worker, s.id, s.input, _at, ''
    from rows from (unnest(_ids), unnest(_definitions), json_array_elements(_inputs)) s(id, definition, input)
    on conflict do nothing;
    insert into goalpost.handouts (worker, seq, run_ids, positions, items, deliveries, compact, at)
    values (_worker, _seq, '{}', '{}', '{}', '{}', _ids, _at)
    on conflict do nothing;
  end if;
  if _runs is not null then
    with noted as (
      update goalpost.runs r set
        journal = concat(r.journal, '[', _epoch, ',', s.entry, '],'), journal_seq = _seq, output = s.output,
        status = case when s.output is null then r.status else 'completed' end,
        finished_at = case when s.output is not null then _at end
      from goalpost.read_journal(_runs, _entries, _outputs) s
      where r.id = s.run_id and r.status = s.active and r.owner = _worker and r.journal is not null
        and r.journal_seq < _seq
      returning r.id, r.billed and s.output is not null as billed)
    select array_agg(id), array_agg(id) filter (where billed) into _noted, _billed from noted;
    if cardinality(_runs) > coalesce(cardinality(_noted), 0) then
      -- What this call's number is noted for was settled by it, even if the run has been inflated since.
      select json_agg(k.ord - 1) into _gone
      from unnest(_runs) with ordinality k(id, ord)
      where not exists (
        select 1 from goalpost.runs where id = k.id and owner = _worker and journal_seq >= _seq);
      select array_agg(k.id) into _billed
      from unnest(_runs) k(id)
      cross join lateral (
        select 1 from goalpost.runs where id = k.id and billed and journal_seq >= _seq and finished_at is not null) r;
    end if;
  end if;
  if _gone is null and _billed is null then
    return null;
  end if;
  return json_build_object('gone', _gone, 'billed', _billed);
end $$;
