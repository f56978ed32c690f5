import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { Goalpost, type GoalResult, silentLogger, type TaskSpec, workflow } from "../../src/index.ts";
import { createDatabase } from "../contract/backends.ts";
import { assertInvariants } from "../invariants.ts";
import { effectStep, fireFlow, startFireWorker } from "./built-worker.ts";
import {
  assertEffects,
  connect,
  PATIENCE_MS,
  prepareDatabase,
  submit,
  TIMEOUT,
  untilAllEnded,
} from "./flow.ts";
import { type DroppingProxy, startProxy } from "./proxy.ts";
import { seededRandom } from "./seed.ts";

const DROPPED = 0.03;

async function startDropping(url: string): Promise<DroppingProxy> {
  const random = seededRandom();
  const proxy = await startProxy(url, () => random() < DROPPED);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** Calls again what broke with its connection, as a careful caller does. */
async function untilDone<T>(call: () => Promise<T>): Promise<T> {
  for (let repeats = 0; ; repeats++) {
    try {
      return await call();
    } catch (error) {
      if (repeats === 20 || !/terminated|ECONN|EPIPE|hang up/.test(String(error))) {
        throw error;
      }
    }
  }
}

test("workers that lose 3 % of their answers lose no run and run nothing twice", TIMEOUT, async () => {
  const url = await createDatabase();
  const driver = connect(url);
  await prepareDatabase(driver);
  const proxy = await startDropping(url);
  const flow = fireFlow({ db: driver, worker: randomUUID() });
  const workers = [0, 1, 2].map(() => {
    const worker = startFireWorker({ driver: connect(proxy.url), id: randomUUID(), concurrency: 8, flow });
    onTestFinished(() => worker.stop(0));
    return worker;
  });
  const runs = await Promise.all(
    Array.from({ length: 100 }, (_, n) => submit(workers[n % 3] as (typeof workers)[0], driver, flow)),
  );
  await untilAllEnded(driver, PATIENCE_MS);
  const statuses = await driver.query(
    "select status, count(*)::int as count from goalpost.runs group by status",
  );
  expect(statuses).toEqual([{ status: "completed", count: runs.length }]);
  const deliveries = await driver.query(
    "select distinct delivery from goalpost.tasks where started_at is not null",
  );
  expect(deliveries).toEqual([{ delivery: 1 }]);
  await assertInvariants(driver);
  await assertEffects(driver);
  expect(proxy.dropped()).toBeGreaterThan(5);
});

test(
  "clients that lose 3 % of their answers get every result, and nothing is done twice",
  TIMEOUT,
  async () => {
    const url = await createDatabase();
    const driver = connect(url);
    await prepareDatabase(driver);
    const proxy = await startDropping(url);
    const worker = randomUUID();
    const step = effectStep({ db: driver, worker }) as never;
    const gp = await untilDone(() => Goalpost.open({ database: proxy.url, logger: silentLogger }));
    onTestFinished(() => gp.close({ graceMs: 0 }));
    const chain = workflow("chain")
      .step("a", step)
      .step("b", { after: ["a"] }, step);
    const plan = (): TaskSpec[] => [
      { id: "a", description: "" },
      { id: "b", description: "", dependsOn: ["a"] },
      { id: "c", description: "", dependsOn: ["a"] },
    ];

    const executed = Array.from({ length: 60 }, () => untilDone(() => gp.execute(chain, null)));
    const goals = Array.from({ length: 60 }, (_, n) =>
      untilDone(async (): Promise<GoalResult> => {
        const handle = await gp.startGoal(`goal ${n}`, plan, { a: step, b: step, c: step });
        return untilDone(() => handle.result());
      }),
    );
    const results = await Promise.all(executed);
    const ended = await Promise.all(goals);
    expect(results.every(({ output }) => "b" in (output as object))).toBe(true);
    expect(ended.every(({ output }) => "b" in output && "c" in output)).toBe(true);

    await untilAllEnded(driver, PATIENCE_MS);
    await assertInvariants(driver);
    await assertEffects(driver);
    expect(proxy.dropped()).toBeGreaterThan(5);
  },
);
