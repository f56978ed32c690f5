import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Shape } from "../../src/core/shape.ts";
import { encodeStart } from "../../src/engine/protocol.ts";
import { workflow } from "../../src/index.ts";
import { ensureDefinition } from "../../src/store/definitions.ts";
import { retryRun } from "../../src/store/run-actions.ts";
import { rejection } from "../promises.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";
import { SqlWorker } from "./sql-worker.ts";

const UNKNOWN = "00000000-0000-7000-8000-000000000000";

/** list → pack, a map over it → last. */
function mapShape(concurrency?: number): Shape {
  return {
    nodes: [
      { name: "list", kind: "step", dependencies: 0, rank: 3, spec: {} },
      {
        name: "pack",
        kind: "map",
        dependencies: 1,
        rank: 2,
        spec: { ...(concurrency && { concurrency }) },
        mapOver: 0,
      },
      { name: "last", kind: "step", dependencies: 1, rank: 1, spec: {} },
      { name: "/end", kind: "end", dependencies: 1, rank: 0, spec: {} },
    ],
    edges: [0, 1, 2].map((src) => ({ src, dst: src + 1, reason: "data", optional: false })),
  };
}

async function startMap(backend: Backend, worker: SqlWorker, shape: Shape): Promise<string> {
  const id = randomUUID();
  const definition = { name: "mapped", hash: randomUUID(), shape, source: "static" } as const;
  const start = encodeStart({
    id,
    definitionId: await ensureDefinition(backend.driver, definition),
    workflow: "mapped",
    source: "static",
    execution: "distributed",
    lane: worker.lane,
    priority: 0,
    owner: worker.id,
    inputHash: null,
    deadlineMs: null,
    labels: null,
    input: "null",
    settings: null,
    shape: null,
  });
  await worker.exchange({ starts: [start] });
  return id;
}

describeOnEachBackend("retrying", (backend) => {
  const flaky = (state: { broken: boolean }, log: string[]) =>
    workflow<null>("flaky")
      .step("kept", async (_, ctx) => {
        log.push("kept");
        return ctx.once("id", () => log.length);
      })
      .step("breaks", { after: ["kept"], maxAttempts: 1 }, async (_, ctx) => {
        log.push("breaks");
        await ctx.once("paid", () => log.push("paid"));
        if (state.broken) {
          throw new Error("broken");
        }
        return "mended";
      });

  test("with resetAll everything is done again, and nothing is remembered", async () => {
    const t = await backend.client();
    const state = { broken: true };
    const log: string[] = [];
    const labels = { customer: "acme" };
    const { runId } = await t.gp.start(flaky(state, log), null, { labels, priority: 3, deadlineMs: 60_000 });
    await t.settle();
    state.broken = false;
    log.length = 0;
    t.clock.advance(1000);
    const retryId = await t.gp.runs.retry(runId, { resetAll: true });
    await t.settle();
    expect(log).toEqual(["kept", "breaks", "paid"]);
    const run = await t.gp.runs.get(retryId);
    expect(run).toMatchObject({ status: "completed", retryOf: runId, labels, output: { breaks: "mended" } });
    const rows = await backend.query(
      "select prio, extract(epoch from deadline_at - created_at)::int as seconds from goalpost.runs where id = $1::uuid",
      [retryId],
    );
    expect(rows).toEqual([{ prio: -3, seconds: 60 }]);
  });

  test("without it what was finished is not done again, and what was paid is not paid again", async () => {
    const t = await backend.client();
    const state = { broken: true };
    const log: string[] = [];
    const { runId } = await t.gp.start(flaky(state, log), null);
    await t.settle();
    state.broken = false;
    log.length = 0;
    const retryId = await t.gp.runs.retry(runId);
    await t.settle();
    expect(log).toEqual(["breaks"]);
    expect((await t.gp.runs.get(retryId)).status).toBe("completed");
  });

  test("with resetAll a goal is planned again, from what it began with", async () => {
    const t = await backend.client();
    let plans = 0;
    let broken = true;
    const done: string[] = [];
    const handle = await t.gp.startGoal(
      "plan again",
      () => {
        plans += 1;
        return Array.from({ length: 3 - plans }, (_, index) => ({
          id: `task.${index}`,
          description: "",
          step: "work",
          maxAttempts: 1,
        }));
      },
      {
        work: async (_, ctx) => {
          done.push(ctx.taskId);
          if (broken && ctx.taskId === "task.1") {
            throw new Error("broken");
          }
          return ctx.taskId;
        },
      },
    );
    await t.settle();
    broken = false;
    const retryId = await t.gp.runs.retry(handle.runId, { resetAll: true });
    await t.settle();
    const run = await t.gp.runs.get(retryId);
    expect(plans).toBe(2);
    expect(run).toMatchObject({ status: "completed", output: { "task.0": "task.0" } });
    expect(run.tasks.map((task) => task.id)).toEqual(["task.0"]);
    expect((await t.gp.runs.get(handle.runId)).tasks).toHaveLength(2);
  });

  test("while a retry is under way it is the answer; when it failed as well there is another", async () => {
    const t = await backend.client();
    const state = { broken: true };
    const { runId } = await t.gp.start(flaky(state, []), null);
    await t.settle();
    const [one, same] = await Promise.all([t.gp.runs.retry(runId), t.gp.runs.retry(runId)]);
    expect(same).toBe(one);
    await t.settle();
    expect((await t.gp.runs.get(one)).status).toBe("failed");
    const other = await t.gp.runs.retry(runId);
    expect(other).not.toBe(one);
    state.broken = false;
    await t.settle();
    expect((await t.gp.runs.get(other)).status).toBe("completed");
  });

  test("a run that killed its workers is listed as POISON, and its retry starts without losses", async () => {
    const t = await backend.client();
    const worker = new SqlWorker(backend.driver);
    const runId = await worker.start(workflow("deadly").step("kill", () => 0));
    for (let loss = 0; loss <= 5; loss++) {
      await worker.claim();
      await backend.query("select goalpost.put_back($1::uuid, 'lost', 5)", [worker.id]);
    }
    const dead = await t.gp.runs.list({ status: "failed", errorCode: "POISON" });
    expect(dead.map((run) => run.id)).toEqual([runId]);
    const retryId = await t.gp.runs.retry(runId);
    const [task] = await backend.query(
      "select losses, failures, status from goalpost.tasks where run_id = $1::uuid and position = 0",
      [retryId],
    );
    expect(task).toEqual({ losses: 0, failures: 0, status: "ready" });
    const again = await worker.claim();
    expect(again.runId).toBe(retryId);
    await worker.complete([again], "alive");
    expect((await t.gp.runs.get(retryId)).status).toBe("completed");
  });

  test.each([
    ["without a limit", undefined, 3],
    ["with a limit", 2, 2],
  ] as const)("a map %s goes on with the items that were not completed", async (_, concurrency, ready) => {
    const worker = new SqlWorker(backend.driver);
    const runId = await startMap(backend, worker, mapShape(concurrency));
    const list = await worker.claim();
    await worker.complete([list], ["a", "b", "c", "d"]);
    const first = (await worker.exchange({ room: 1 })).tasks[0];
    await worker.complete([first as never], "packed a");
    const claimed = await worker.claim();
    expect(claimed.itemInput).not.toBe("a");
    await worker.exchange({
      reports: [{ task: claimed, outcome: "failed", payload: { code: "STEP_FAILED" } }],
    });
    const by = { newId: randomUUID(), worker: worker.id, lane: worker.lane, resetAll: false };
    expect(await retryRun(backend.driver, runId, by)).toBe(by.newId);

    const seen: unknown[] = [];
    for (let round = 0; ; round++) {
      const { tasks } = await worker.exchange({ room: 10 });
      if (round === 0) {
        expect(tasks).toHaveLength(ready);
      }
      if (tasks.length === 0) {
        break;
      }
      for (const task of tasks) {
        seen.push(task.itemInput);
        await worker.complete([task], task.item < 0 ? "last" : `packed ${task.itemInput}`);
      }
    }
    expect(seen.sort()).toEqual(["b", "c", "d", null]);
    const rows = await backend.query<{ status: string; output: unknown }>(
      `select r.status, t.output from goalpost.runs r join goalpost.tasks t on t.run_id = r.id
       where r.id = $1::uuid and t.position = 1 and t.item = -1`,
      [by.newId],
    );
    expect(rows).toEqual([{ status: "completed", output: ["packed a", "packed b", "packed c", "packed d"] }]);
  });

  test("a map that was not expanded yet is expanded by the retry", async () => {
    const worker = new SqlWorker(backend.driver);
    const runId = await startMap(backend, worker, mapShape());
    await worker.complete([await worker.claim()], "no array");
    const { tasks } = await worker.exchange({ room: 10 });
    expect(tasks).toEqual([]);
    await backend.query(
      "update goalpost.tasks set output = '[1, 2]' where run_id = $1::uuid and position = 0",
      [runId],
    );
    const by = { newId: randomUUID(), worker: worker.id, lane: worker.lane, resetAll: false };
    await retryRun(backend.driver, runId, by);
    const handed = await worker.exchange({ room: 10 });
    expect(handed.tasks.map((task) => task.itemInput)).toEqual([1, 2]);
  });

  test("a map of a workflow is packed on, and the retry keeps events of its own", async () => {
    const t = await backend.client();
    let broken = true;
    const packed: string[] = [];
    const w = workflow<string[]>("packs")
      .map("pack", { concurrency: 2, maxAttempts: 1 }, (item: string) => {
        if (broken && item === "c") {
          throw new Error("broken");
        }
        packed.push(item);
        return item.toUpperCase();
      })
      .step("join", { after: ["pack"] }, ({ pack }) => pack.join(""));
    const { runId } = await t.gp.start(w, ["a", "b", "c", "d", "e"], { events: true });
    await t.settle();
    broken = false;
    for (const resetAll of [false, true]) {
      const before = packed.length;
      const retryId = await t.gp.runs.retry(runId, { resetAll });
      await t.settle();
      expect(await t.gp.runs.get(retryId)).toMatchObject({ status: "completed", output: { join: "ABCDE" } });
      if (resetAll) {
        expect(packed.slice(before).sort()).toEqual(["a", "b", "c", "d", "e"]);
      }
      const types: string[] = [];
      for await (const event of t.gp.runs.events(retryId)) {
        expect(event.seq).toBe(types.length + 1);
        types.push(event.type);
      }
      expect(types[0]).toBe("workflow_started");
      expect(types.at(-1)).toBe("workflow_completed");
    }
    expect(packed.filter((item) => item === "a")).toHaveLength(2);
  });

  test("the limit of a run holds for its retry as well", async () => {
    const t = await backend.client();
    let broken = true;
    let running = 0;
    let most = 0;
    const part = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
      if (broken) {
        throw new Error("broken");
      }
    };
    const policy = { maxAttempts: 1 };
    const w = workflow<null>("limited")
      .step("a", policy, part)
      .step("b", policy, part)
      .step("c", policy, part)
      .step("d", policy, part);
    const { runId } = await t.gp.start(w, null, { maxParallel: 2 });
    await t.settle();
    broken = false;
    for (const resetAll of [false, true]) {
      running = 0;
      most = 0;
      const retryId = await t.gp.runs.retry(runId, { resetAll });
      await t.settle();
      expect((await t.gp.runs.get(retryId)).status).toBe("completed");
      expect(most).toBe(2);
    }
  });

  test.each([UNKNOWN, "no-uuid", ""])("an unknown run is RUN_NOT_FOUND: %j", async (id) => {
    const t = await backend.client();
    const { runs } = t.gp;
    const errors = await Promise.all(
      [runs.retry(id), runs.retry(id, { resetAll: true }), runs.pause(id), runs.resume(id)].map((call) =>
        rejection(call),
      ),
    );
    expect(errors.map((error) => error.code)).toEqual(Array(4).fill("RUN_NOT_FOUND"));
  });

  test("a run that goes on, is paused or completed cannot be retried, and stays as it is", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(flaky({ broken: false }, []), null);
    const refused = async (state: string): Promise<void> => {
      expect(await rejection(t.gp.runs.retry(handle.runId))).toMatchObject({
        code: "INVALID_STATE",
        message: expect.stringContaining(`is ${state} and cannot be retried`),
      });
    };
    await refused("running");
    await t.gp.runs.pause(handle.runId);
    await refused("paused");
    await t.gp.runs.resume(handle.runId);
    await t.settle();
    await refused("completed");
    expect(await t.gp.runs.list({ workflow: "flaky", status: ["running", "paused"] })).toEqual([]);
  });
});
