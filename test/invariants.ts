import { expect } from "vitest";
import type { Queryable } from "../src/core/driver.ts";

/** What must hold of the rows at any moment, whoever is at work: each query finds the rows that break its rule. */
const RULES: Readonly<Record<string, string>> = {
  "a final run has final tasks only": `
    select r.id, r.status as run, t.position, t.item, t.status from goalpost.runs r
    join goalpost.tasks t on t.run_id = r.id where r.finished_at is not null and t.finished_at is null`,
  "a completed run's end node is completed": `
    select r.id, t.status from goalpost.runs r
    join goalpost.steps s on s.definition_id = r.definition_id and s.kind = 'end'
    left join goalpost.tasks t on t.run_id = r.id and t.position = s.position and t.item = -1
    where r.status = 'completed' and t.status is distinct from 'completed'`,
  "a run whose end node is final is final": `
    select r.id, r.status, t.status as "end" from goalpost.runs r
    join goalpost.steps s on s.definition_id = r.definition_id and s.kind = 'end'
    join goalpost.tasks t on t.run_id = r.id and t.position = s.position and t.item = -1
    where t.finished_at is not null and r.finished_at is null`,
  "every node of a run's definition has a task": `
    select r.id, s.position, s.name from goalpost.runs r
    join goalpost.steps s on s.definition_id = r.definition_id
    where not exists (select 1 from goalpost.tasks t
      where t.run_id = r.id and t.position = s.position and t.item = -1)`,
  "a waiting task waits for exactly what is not final: its items, or else its dependencies": `
    select t.run_id, t.position, t.deps_left, l.dependencies, i.items, i.unfinished from goalpost.tasks t
    cross join lateral (select count(*) as dependencies from goalpost.edges e
      join goalpost.tasks d on d.run_id = t.run_id and d.position = e.src and d.item = -1
      where e.definition_id = t.definition_id and e.dst = t.position and d.finished_at is null) l
    cross join lateral (select count(*) as items, count(*) filter (where i.finished_at is null) as unfinished
      from goalpost.tasks i where i.run_id = t.run_id and i.position = t.position and i.item >= 0) i
    where t.status = 'waiting' and t.item = -1
      and t.deps_left <> case when i.items > 0 then i.unfinished else l.dependencies end`,
  "an item that waits for room has others before it that are not final": `
    select t.run_id, t.position, t.item from goalpost.tasks t
    join goalpost.runs r on r.id = t.run_id and r.finished_at is null
    where t.item >= 0 and t.status = 'waiting' and not exists (
      select 1 from goalpost.tasks o where o.run_id = t.run_id and o.position = t.position and o.item >= 0
        and o.item < t.item and o.status in ('ready', 'running', 'suspended'))`,
  "a run with a limit counts what is running or in the lanes, and lets in as much as it may": `
    select r.id, r.status, r.max_parallel, r.running, c.admitted, c.parked from goalpost.runs r
    cross join lateral (select count(*) filter (where t.status = 'running' or q.parked = 0) as admitted,
        coalesce(sum(q.parked) filter (where t.status = 'ready'), 0) as parked
      from goalpost.tasks t
      cross join lateral (select count(*) as parked from goalpost.ready q where q.run_id = t.run_id
        and q.position = t.position and q.item = t.item and q.lane in ('@', '#' || t.run_id)) q
      where t.run_id = r.id and t.status in ('ready', 'running')) c
    where r.max_parallel is not null and r.finished_at is null and (r.running <> c.admitted
      or r.status = 'running' and r.running < r.max_parallel and exists (
        select 1 from goalpost.ready q where q.lane = '#' || r.id))`,
  "no task begins or completes while a dependency is not final": `
    select t.run_id, t.position, t.status, e.src from goalpost.tasks t
    join goalpost.edges e on e.definition_id = t.definition_id and e.dst = t.position
    join goalpost.tasks d on d.run_id = t.run_id and d.position = e.src and d.item = -1
    where t.item = -1 and t.status in ('ready', 'running', 'suspended', 'completed') and d.finished_at is null`,
  "a ready task of a running run can be claimed": `
    select t.run_id, t.position, t.item from goalpost.tasks t
    join goalpost.runs r on r.id = t.run_id and r.status = 'running'
    where t.status = 'ready' and not exists (select 1 from goalpost.ready q
      where q.run_id = t.run_id and q.position = t.position and q.item = t.item)`,
  "a ready task of a local run can be claimed by its owner": `
    select t.run_id, t.position, t.item, r.lane from goalpost.tasks t
    join goalpost.runs r on r.id = t.run_id and r.status = 'running' and r.execution = 'local'
    join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position and s.lane is null
    where t.status = 'ready' and not exists (select 1 from goalpost.ready q
      where q.run_id = t.run_id and q.position = t.position and q.item = t.item and q.lane in (r.lane, '@'))`,
  "nothing of a final run is left in the lane of one instance": `
    select q.lane, q.run_id, q.position from goalpost.ready q
    join goalpost.runs r on r.id = q.run_id
    where r.finished_at is not null and r.execution = 'local' and q.lane = r.lane`,
  "a ready row belongs to a task, or is a timer": `
    select q.* from goalpost.ready q where q.position >= 0 and not exists (
      select 1 from goalpost.tasks t where t.run_id = q.run_id and t.position = q.position and t.item = q.item)`,
  "a running task stands in a hand-out of its worker": `
    select t.run_id, t.position, t.item, t.worker, t.delivery from goalpost.tasks t
    where t.status = 'running' and not exists (
      select 1 from goalpost.handouts h
      left join lateral unnest(h.run_ids, h.positions, h.items, h.deliveries) c(run_id, position, item, delivery) on true
      where h.worker = t.worker and (t.run_id = any(h.compact) or (c.run_id = t.run_id and c.position = t.position
        and c.item = t.item and c.delivery = t.delivery)))`,
  "failed and lost tries are counted and kept": `
    select t.run_id, t.position, t.item, t.delivery, t.failures, t.losses, a.failed, a.lost from goalpost.tasks t
    cross join lateral (select count(*) filter (where outcome = 'failed') as failed,
        count(*) filter (where outcome = 'lost') as lost from goalpost.attempts a
      where a.run_id = t.run_id and a.position = t.position and a.item = t.item) a
    where t.failures <> a.failed or t.losses <> a.lost or t.delivery < t.failures + t.losses`,
  "a completed task has been handed out, unless it settles by itself": `
    select t.run_id, t.position, s.kind from goalpost.tasks t
    join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
    where t.status = 'completed' and s.kind in ('step', 'plan') and (t.delivery = 0 or t.started_at is null)`,
};

/** Held only when the workers that are gone have been found out. */
const LIVE_WORKERS_ONLY = `
  select h.worker, h.seq from goalpost.handouts h where not exists (
    select 1 from goalpost.instances i where i.worker = h.worker and i.status = 'online')`;

export interface InvariantOptions {
  /** Whether to look at who holds what. Not for tests that speak to the database without instances. Default true. */
  readonly instances?: boolean;
}

/** Gives all compact runs rows for their tasks. */
export async function inflateAll(db: Queryable): Promise<void> {
  await db.query("select goalpost.inflate(id) from goalpost.runs where journal is not null order by id");
}

/** Fails with the rows that break a rule of the engine, rule by rule. */
export async function assertInvariants(db: Queryable, options: InvariantOptions = {}): Promise<void> {
  const rules = Object.entries({
    ...RULES,
    ...((options.instances ?? true) && { "only live workers hold tasks": LIVE_WORKERS_ONLY }),
  });
  await inflateAll(db);
  const broken: Record<string, unknown> = {};
  for (const [rule, query] of rules) {
    const rows = await db.query(`${query} limit 5`);
    if (rows.length > 0) {
      broken[rule] = rows;
    }
  }
  expect(broken).toEqual({});
}
