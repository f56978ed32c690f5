import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import type { Worker } from "../../dist/engine/worker.js";
import type { Driver, Queryable } from "../../src/core/driver.ts";
import type { AnyWorkflow } from "../../src/index.ts";
import { ensureDefinition } from "../../src/store/definitions.ts";
import { migrate } from "../../src/store/migrate.ts";
import { LANE, openConnections } from "./built-worker.ts";

/** For what takes a few seconds alone, and more beside others. */
export const PATIENCE_MS = 30_000;
export const TIMEOUT = { timeout: 60_000 };

/** begun: every call of a step's function. effects: what calls left behind, by a token that a task remembers. */
const TABLES = `
  create schema fire;
  create table fire.begun (execution uuid primary key, run_id uuid not null, task text not null, worker uuid not null,
    at timestamptz not null default clock_timestamp());
  create table fire.effects (token uuid primary key, run_id uuid not null, task text not null);
  create table fire.kills (worker uuid primary key, at timestamptz not null default clock_timestamp());
  create table fire.gate (opened boolean not null)`;

/** Makes goalpost's tables and those of the tests. */
export async function prepareDatabase(driver: Driver): Promise<void> {
  await migrate(driver);
  await driver.script(TABLES);
}

/** A driver with connections of its own, closed when the test is over. */
export function connect(url: string, max = 4): Driver {
  const { driver, end } = openConnections(url, max);
  onTestFinished(end);
  return driver;
}

/** Stores a run in the lane of these tests, through the worker. */
export async function submit(worker: Worker, driver: Driver, of: AnyWorkflow): Promise<string> {
  const runId = randomUUID();
  const { name, hash, shape } = of;
  await worker.submit({
    id: runId,
    definitionId: await ensureDefinition(driver, { name, hash, shape, source: "static" }),
    workflow: name,
    source: "static",
    execution: "distributed",
    lane: LANE,
    priority: 0,
    owner: randomUUID(),
    inputHash: null,
    deadlineMs: null,
    labels: null,
    input: "null",
    settings: null,
    shape: null,
  });
  return runId;
}

/** Waits until every run in the database is final; fails with what is left after `withinMs`. */
export async function untilAllEnded(db: Queryable, withinMs: number): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    const left = await db.query(
      `select r.id, r.status, t.position, t.status as task, t.worker, t.deps_left, t.delivery
       from goalpost.runs r left join goalpost.tasks t on t.run_id = r.id and t.status in ('ready', 'running')
       where r.finished_at is null limit 10`,
    );
    if (left.length === 0) {
      return;
    }
    if (performance.now() > giveUpAt) {
      expect(left, `runs that did not end within ${withinMs} ms`).toEqual([]);
    }
    await sleep(50);
  }
}

const EFFECTS: Readonly<Record<string, string>> = {
  "a completed task has exactly one effect, the one that its output names": `
    select t.run_id, s.name, e.n, e.tokens, t.output->>'token' as token from goalpost.tasks t
    join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position and s.kind = 'step'
    cross join lateral (select count(*) as n, array_agg(f.token::text) as tokens from fire.effects f
      where f.run_id = t.run_id and f.task = s.name) e
    where t.status = 'completed' and e.tokens is distinct from array[t.output->>'token']`,
  "no completed task is begun again": `
    select t.run_id, s.name, t.finished_at, b.at, b.worker from goalpost.tasks t
    join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
    join fire.begun b on b.run_id = t.run_id and b.task = s.name
    where t.status = 'completed' and b.at > t.finished_at`,
  "nothing is begun that was not handed out": `
    select t.run_id, s.name, t.delivery, b.n from goalpost.tasks t
    join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
    cross join lateral (select count(*) as n from fire.begun b where b.run_id = t.run_id and b.task = s.name) b
    where b.n > t.delivery`,
  "a task is given what its dependencies left": `
    select t.run_id, s.name, d.name as dependency, t.output->'seen' as seen from goalpost.tasks t
    join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position and s.kind = 'step'
    join goalpost.edges e on e.definition_id = t.definition_id and e.dst = t.position
    join goalpost.steps d on d.definition_id = e.definition_id and d.position = e.src
    join goalpost.tasks o on o.run_id = t.run_id and o.position = e.src and o.item = -1
    where t.status = 'completed' and t.output->'seen'->>d.name is distinct from o.output->>'token'`,
};

/** Fails with what ran or counted more often than once, or was lost: for the tasks of effectStep. */
export async function assertEffects(db: Queryable): Promise<void> {
  await db.query("analyze");
  const broken: Record<string, unknown> = {};
  for (const [rule, query] of Object.entries(EFFECTS)) {
    const rows = await db.query(`${query} limit 5`);
    if (rows.length > 0) {
      broken[rule] = rows;
    }
  }
  expect(broken).toEqual({});
}
