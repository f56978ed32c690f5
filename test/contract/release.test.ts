import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { Budgets } from "../../src/budgets.ts";
import { encodeBudget } from "../../src/core/budget.ts";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import type { ChildRuns } from "../../src/engine/children.ts";
import type { FindCode, TaskCall } from "../../src/engine/code.ts";
import type { FinishedRun } from "../../src/engine/protocol.ts";
import { Worker } from "../../src/engine/worker.ts";
import { type AnyWorkflow, GoalpostError, silentLogger, workflow } from "../../src/index.ts";
import { createLedger } from "../../src/store/ledger.ts";
import { pauseRun, resumeRun } from "../../src/store/run-actions.ts";
import { timedDriver } from "../../src/store/timed-driver.ts";
import { FakeClock } from "../../src/testing/index.ts";
import { call, outcome, scopeOf } from "../ledger-calls.ts";
import { noChildren, noModels, sendNothing } from "../no-children.ts";
import { describeOnEachBackend } from "./backends.ts";
import { SqlWorker } from "./sql-worker.ts";

type Step = (call: TaskCall) => unknown;

describeOnEachBackend("a task that its own code puts back", (backend) => {
  /** A worker whose only step is the one given. */
  async function openWorker(step: Step, of?: AnyWorkflow, timeoutMs = 1000) {
    const clock = new FakeClock();
    const ended: FinishedRun[] = [];
    const driver = timedDriver(backend.driver, clock);
    const sql = new SqlWorker(driver);
    const policy = { maxAttempts: 1, timeoutMs, retry: DEFAULT_RETRY, approval: false };
    const findCode: FindCode = () => ({
      policy,
      execute: async (call) => ({ output: await step(call) }),
    });
    const worker = new Worker({
      id: sql.id,
      driver: backend.driver,
      lanes: [sql.lane],
      about: { name: "releasing", host: "h", pid: 1, version: "0" },
      concurrency: 10,
      findCode,
      clock,
      logger: silentLogger,
      maxOutputBytes: 1000,
      children: noChildren as ChildRuns,
      send: sendNothing,
      storeProgress: async () => undefined,
      models: noModels,
      onFinished: (run) => ended.push(run),
    });
    const runId = await sql.start(of ?? workflow("released").step("a", () => 0));
    const task = async (): Promise<Record<string, unknown>> => {
      const [row] = await backend.query(
        `select status, failures, losses, delivery, (select count(*)::int from goalpost.attempts a
           where a.run_id = t.run_id) as attempts from goalpost.tasks t where run_id = $1::uuid and position = 0 and item = -1`,
        [runId],
      );
      return row ?? {};
    };
    return { clock, ended, worker, runId, task, driver };
  }

  test("is done again after that time, and that is neither an attempt nor a loss", async () => {
    const attempts: number[] = [];
    const { clock, worker, task, ended } = await openWorker((call) => {
      attempts.push(call.attempt);
      return attempts.length === 1 ? call.release(60_000, "the provider is busy") : "done";
    });
    expect(await worker.tick()).toBe(1);
    expect(await task()).toEqual({ status: "ready", failures: 0, losses: 0, delivery: 1, attempts: 0 });
    clock.advance(59_999);
    expect(await worker.tick()).toBe(0);
    clock.advance(1);
    expect(await worker.tick()).toBe(1);
    expect(attempts).toEqual([1, 1]);
    expect(ended).toMatchObject([{ status: "completed", output: { a: "done" } }]);
  });

  test("is done again at once, once a tick, if it asks for no time", async () => {
    let calls = 0;
    const { worker, task } = await openWorker((call) => {
      calls += 1;
      return calls < 4 ? call.release(0, "again") : "done";
    });
    for (const status of ["ready", "ready", "ready", "completed"]) {
      expect(await worker.tick()).toBe(1);
      expect(await task()).toMatchObject({ status, failures: 0 });
    }
  });

  test("waits while its run is paused, handed to nobody, and comes back when that goes on", async () => {
    let calls = 0;
    const { worker, clock, runId, driver, task, ended } = await openWorker(async (call) => {
      calls += 1;
      if (calls === 1) {
        await pauseRun(driver, runId);
        call.release(0, "a budget paused the run");
      }
      return "done";
    });
    await worker.tick();
    for (let ticks = 0; ticks < 5; ticks++) {
      clock.advance(10_000);
      expect(await worker.tick()).toBe(0);
    }
    expect(await task()).toMatchObject({ status: "ready", delivery: 1 });
    await resumeRun(driver, runId);
    expect(await worker.tick()).toBe(1);
    expect(ended).toMatchObject([{ status: "completed" }]);
  });

  test("comes back when the budget is raised that paused its run, and not before", async () => {
    const made: string[] = [];
    const { worker, runId, driver, ended, clock } = await openWorker(async (current) => {
      for (const key of ["first", "second"]) {
        await current.once(key, async () => {
          const planned = call({ scope: scopeOf(runId) });
          if ((await ledger.reserve(planned)).outcome === "exceeded") {
            current.release(0, "a budget paused the run");
          }
          made.push(key);
          await ledger.settle(outcome(planned.callId));
        });
      }
      return "done";
    });
    const ledger = createLedger({ driver, logger: silentLogger, worker: randomUUID() });
    await driver.query("select goalpost.set_budget('tree', $1, $2::json)", [
      runId,
      JSON.stringify(encodeBudget({ calls: 1, onExceed: "pause" })),
    ]);
    await worker.tick();
    clock.advance(10_000);
    expect(await worker.tick()).toBe(0);
    await new Budgets(driver, () => worker.wake()).raise(runId, { calls: 2 });
    expect(await worker.tick()).toBe(1);
    expect(made).toEqual(["first", "second"]);
    expect(ended).toMatchObject([{ status: "completed", billed: true }]);
  });

  test("comes back after its time if its run is paused and goes on meanwhile", async () => {
    let calls = 0;
    const { worker, clock, runId, driver } = await openWorker((call) =>
      ++calls === 1 ? call.release(60_000, "busy") : "done",
    );
    await worker.tick();
    await pauseRun(driver, runId);
    clock.advance(10_000);
    await worker.tick();
    await resumeRun(driver, runId);
    expect(await worker.tick()).toBe(0);
    clock.advance(50_000);
    expect(await worker.tick()).toBe(1);
  });

  test.each<[string, (call: TaskCall) => unknown]>([
    ["swallows the exception", (call) => attempt(() => call.release(1000, "busy")).then(() => "swallowed")],
    [
      "turns it into another",
      (call) =>
        attempt(() => call.release(1000, "busy")).then(() => {
          throw new GoalpostError("STEP_FAILED", "not this", { retryable: false });
        }),
    ],
    ["throws it from within ctx.once", (call) => call.once("paid", () => call.release(1000, "busy"))],
    [
      "throws it while it waits",
      (call) => Promise.all([call.waits.waitFor("never"), call.once("k", () => call.release(1000, "busy"))]),
    ],
  ])("is put back even if it %s", async (_, step) => {
    let calls = 0;
    const { worker, clock, task } = await openWorker((call) => (++calls === 1 ? step(call) : "done"));
    await worker.tick();
    expect(await task()).toEqual({ status: "ready", failures: 0, losses: 0, delivery: 1, attempts: 0 });
    expect(await backend.query("select 1 from goalpost.checkpoints where key in ('paid', 'k')")).toEqual([]);
    clock.advance(1000);
    await worker.tick();
    expect(await task()).toMatchObject({ status: "completed" });
  });

  test("has every call of ctx after it rejected, and its signal aborted when it has unwound", async () => {
    const refused: unknown[] = [];
    let signal: AbortSignal | undefined;
    const { worker } = await openWorker(async (call) => {
      signal = call.signal;
      await attempt(() => call.release(1000, "busy"));
      for (const work of [
        () => call.once("after", () => 1),
        () => call.waits.sleep(10),
        () => call.waits.waitFor("x"),
        () => call.send("c", 1),
        () => call.release(5, "other"),
      ]) {
        refused.push((await attempt(work))?.name);
      }
    });
    await worker.tick();
    expect(refused).toEqual(Array(5).fill("Release"));
    expect(signal?.aborted).toBe(true);
  });

  test("has what it stored before, and its timeout starts afresh", async () => {
    const paid: number[] = [];
    let calls = 0;
    const { worker, clock, ended } = await openWorker(async (call) => {
      calls += 1;
      await call.once("paid", () => paid.push(calls));
      if (calls <= 3) {
        clock.advance(900);
        call.release(0, "busy");
      }
      return "done";
    });
    for (let ticks = 0; ticks < 4; ticks++) {
      await worker.tick();
    }
    expect(paid).toEqual([1]);
    expect(ended).toMatchObject([{ status: "completed" }]);
  });

  test("that hangs on to its try is put back when its time is up", async () => {
    const { worker, clock, task } = await openWorker(async (call) => {
      await attempt(() => call.release(1000, "busy"));
      await new Promise(() => undefined);
    });
    const ticking = worker.tick();
    await expect.poll(task).toMatchObject({ status: "running" });
    await pause(20);
    clock.advance(1000);
    await ticking;
    expect(await task()).toEqual({ status: "ready", failures: 0, losses: 0, delivery: 1, attempts: 0 });
  });

  test("may be an item of a map that limits how many run at once", async () => {
    const seen: number[] = [];
    const { worker, clock, ended } = await openWorker(
      (call) => {
        if (call.index === undefined) {
          return [0, 1, 2];
        }
        seen.push(call.index);
        return seen.length <= 3 ? call.release(1000, "busy") : call.index;
      },
      workflow("released_items")
        .step("list", () => [0, 1, 2])
        .map("each", { over: "list", concurrency: 2 }, () => 0),
    );
    for (let ticks = 0; ticks < 12 && ended.length === 0; ticks++) {
      await worker.tick();
      clock.advance(1000);
    }
    expect(ended).toMatchObject([{ status: "completed", output: { each: [0, 1, 2] } }]);
    expect(seen).toHaveLength(6);
  });
});

/** What it threw. */
async function attempt(work: () => unknown): Promise<Error | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
