import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { Goalpost, type RunStatus, type StepMap, silentLogger, workflow } from "../../src/index.ts";
import { createDatabase } from "../contract/backends.ts";
import { rejection } from "../promises.ts";

/** Clients as separate processes are: each with its own pool. */
async function openClients(count: number): Promise<{ clients: Goalpost[]; pool: pg.Pool }> {
  const url = await createDatabase();
  const open = (): pg.Pool => {
    const pool = new pg.Pool({ connectionString: url, max: 4 });
    onTestFinished(() => pool.end());
    return pool;
  };
  const clients: Goalpost[] = [];
  for (let index = 0; index < count; index++) {
    const gp = await Goalpost.open({ database: open(), logger: silentLogger, instanceId: `client ${index}` });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    clients.push(gp);
  }
  return { clients, pool: open() };
}

async function rows(pool: pg.Pool, text: string, values: unknown[] = []): Promise<unknown[]> {
  return (await pool.query(text, values)).rows;
}

describe("several processes on one database", () => {
  test("starts with one key are one run, whoever is first, and all get its result", async () => {
    const { clients, pool } = await openClients(4);
    const calls = new Map<string, number>();
    const w = workflow<number>("keyed").step("work", ({ run }) => {
      calls.set(String(run), (calls.get(String(run)) ?? 0) + 1);
      return run * 2;
    });
    const keys = Array.from({ length: 25 }, (_, index) => index);
    const results = await Promise.all(
      keys.flatMap((key) => clients.map((gp) => gp.execute(w, key, { idempotencyKey: `key ${key}` }))),
    );
    expect(new Set(results.map((result) => result.runId)).size).toBe(25);
    for (const [index, result] of results.entries()) {
      expect(result.output).toEqual({ work: 2 * Math.floor(index / clients.length) });
    }
    expect([...calls.values()]).toEqual(keys.map(() => 1));
    expect(await rows(pool, "select count(*)::int as n from goalpost.runs")).toEqual([{ n: 25 }]);
  });

  test("goals with one key are one run with one definition", async () => {
    const { clients, pool } = await openClients(4);
    let calls = 0;
    const steps: StepMap = { work: () => ++calls };
    const start = (gp: Goalpost) =>
      gp.executeGoal("one goal", () => [{ id: "work", description: "" }], steps, { idempotencyKey: "k" });
    const results = await Promise.all(clients.flatMap((gp) => [start(gp), start(gp)]));
    expect(new Set(results.map((result) => result.runId)).size).toBe(1);
    expect(calls).toBe(1);
    expect(await rows(pool, "select count(*)::int as n from goalpost.definitions")).toEqual([{ n: 1 }]);
  });

  test("of starts with one key and two inputs one input wins, the other is INVALID_STATE", async () => {
    const { clients } = await openClients(2);
    const w = workflow<number>("two_inputs").step("work", ({ run }) => run);
    for (let round = 0; round < 20; round++) {
      const settled = await Promise.allSettled(
        clients.map((gp, index) => gp.execute(w, index, { idempotencyKey: `round ${round}` })),
      );
      const codes = settled.map((one) => (one.status === "rejected" ? one.reason.code : "ok")).sort();
      expect(codes).toEqual(["INVALID_STATE", "ok"]);
    }
  });

  test("a run whose owner died is taken over by one of those that attach at once", async () => {
    const { clients } = await openClients(4);
    const [owner, ...others] = clients;
    const w = (name: string) => workflow<null>("taken").step("work", () => name);
    const handle = await owner?.start(w("owner"), null, { idempotencyKey: "k", delayMs: 300 });
    await owner?.close({ graceMs: 0 });
    const results = await Promise.all(
      others.map((gp, index) => gp.execute(w(`other ${index}`), null, { idempotencyKey: "k" })),
    );
    expect(new Set(results.map((result) => result.runId))).toEqual(new Set([handle?.runId]));
    expect(new Set(results.map((result) => result.output.work)).size).toBe(1);
    expect(results[0]?.output.work).toMatch(/^other/);
  });

  test("an interrupted goal that two resume at once is continued once", async () => {
    const { clients, pool } = await openClients(3);
    const [first, ...others] = clients;
    const decomposer = () => [{ id: "work", description: "" }];
    for (let round = 0; round < 10; round++) {
      const goal = `interrupted ${round}`;
      let calls = 0;
      const hang: StepMap = { work: () => new Promise(() => undefined) };
      const handle = await first?.startGoal(goal, decomposer, hang);
      await handle?.cancel("interrupted");
      const steps: StepMap = { work: () => ++calls };
      const results = await Promise.all(
        others.map((gp) => gp.executeGoal(goal, decomposer, steps, { resume: true })),
      );
      expect(new Set(results.map((result) => result.runId)).size).toBe(1);
      expect(calls).toBe(1);
      const retries = "select count(*)::int as n from goalpost.runs where retry_of = $1";
      expect(await rows(pool, retries, [handle?.runId])).toEqual([{ n: 1 }]);
    }
  });

  test("retries of one run at once are one run; a later one is another", async () => {
    const { clients } = await openClients(3);
    let broken = true;
    const w = workflow<null>("retried").step("work", { maxAttempts: 1 }, () => {
      if (broken) {
        throw new Error("broken");
      }
      return 1;
    });
    const [gp] = clients;
    for (const client of clients) {
      client.register({ workflows: [w] });
    }
    const error = await rejection(gp?.execute(w, null) ?? Promise.resolve());
    const { runId } = error as never as { runId: string };
    const delayed = clients.map((client) => client.runs.retry(runId));
    const ids = new Set(await Promise.all(delayed));
    // A retry that failed before the next one began allows another: but never two at a time.
    const runs = await Promise.all([...ids].map((id) => gp?.runs.wait(id)));
    const overlaps = runs.some((one, at) =>
      runs.some(
        (other, index) =>
          index > at &&
          (one?.createdAt ?? 0) < (other?.finishedAt ?? 0) &&
          (other?.createdAt ?? 0) < (one?.finishedAt ?? 0),
      ),
    );
    expect(overlaps).toBe(false);
    broken = false;
    const last = await clients[1]?.runs.retry(runId);
    expect(await clients[2]?.runs.wait(last ?? "")).toMatchObject({ status: "completed" });
  });

  test("cancelling and completing at once ends every run one way, with all its tasks", async () => {
    const { clients, pool } = await openClients(2);
    const [gp, other] = clients as [Goalpost, Goalpost];
    const w = workflow<number>("raced")
      .step("a", () => 1)
      .step("b", { after: ["a"] }, () => 2)
      .step("c", { after: ["a"] }, () => 3)
      .step("d", { after: ["b", "c"] }, () => 4);
    const ends = Array.from({ length: 120 }, async (_, index): Promise<[boolean, RunStatus]> => {
      const { runId } = await gp.start(w, index);
      const cancelled = await other.runs.cancel(runId, { force: index % 3 === 0 });
      return [cancelled, (await gp.runs.wait(runId)).status];
    });
    for (const [cancelled, status] of await Promise.all(ends)) {
      expect(status).toBe(cancelled ? "cancelled" : "completed");
    }
    const odd = await rows(
      pool,
      `select r.status, t.status as task from goalpost.runs r join goalpost.tasks t on t.run_id = r.id
       where t.finished_at is null or (r.status = 'completed' and t.status <> 'completed')`,
    );
    expect(odd).toEqual([]);
    expect(await gp.execute(w, 0)).toMatchObject({ output: { d: 4 } });
  });

  test("pausing and resuming while tasks are claimed starts nothing twice and leaves nothing behind", async () => {
    const { clients } = await openClients(2);
    const [gp, other] = clients as [Goalpost, Goalpost];
    const calls = new Map<string, number>();
    const note = async (_: unknown, ctx: { runId: string; taskId: string }): Promise<void> => {
      const key = `${ctx.runId}/${ctx.taskId}`;
      calls.set(key, (calls.get(key) ?? 0) + 1);
      await new Promise(setImmediate);
    };
    const w = workflow<number>("paused")
      .step("a", note)
      .step("b", { after: ["a"] }, note)
      .step("c", { after: ["a"] }, note)
      .step("d", { after: ["b", "c"] }, note);
    const runs = Array.from({ length: 30 }, async (_, index) => {
      const { runId } = await gp.start(w, index, index % 2 ? { maxParallel: 1 } : {});
      for (let round = 0; round < 3; round++) {
        const paused = await other.runs.pause(runId).then(
          () => true,
          () => false,
        );
        if (paused) {
          // What was under way goes on, and may have been the last.
          await other.runs.resume(runId).catch(async (error: unknown) => {
            if ((await gp.runs.get(runId)).status !== "completed") {
              throw error;
            }
          });
        }
      }
      return (await gp.runs.wait(runId, { timeoutMs: 15_000 })).status;
    });
    expect(new Set(await Promise.all(runs))).toEqual(new Set(["completed"]));
    expect(calls.size).toBe(120);
    expect(new Set(calls.values())).toEqual(new Set([1]));
  });

  test("once a run is paused and its worker's call is over, nothing of it starts", async () => {
    const { clients } = await openClients(2);
    const [gp, other] = clients as [Goalpost, Goalpost];
    let calls = 0;
    const w = workflow<number>("still")
      .step("a", () => ++calls)
      .step("b", { after: ["a"] }, () => ++calls)
      .step("c", { after: ["b"] }, () => ++calls);
    const ids = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const { runId } = await gp.start(w, index);
        await other.runs.pause(runId).catch(() => undefined);
        return runId;
      }),
    );
    const running = async (): Promise<number> => {
      const progress = await Promise.all(ids.map((id) => gp.runs.progress(id)));
      return progress
        .filter((one) => one.status === "paused")
        .reduce((sum, one) => sum + one.runningTasks, 0);
    };
    await expect.poll(running).toBe(0);
    const before = calls;
    // Two polls of the worker.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(calls).toBe(before);
    for (const id of ids) {
      await other.runs.resume(id).catch(() => undefined);
    }
    const ends = await Promise.all(ids.map((id) => gp.runs.wait(id, { timeoutMs: 10_000 })));
    expect(ends.every((run) => run.status === "completed")).toBe(true);
    expect(calls).toBe(90);
  });

  test("pruning while runs are started, carried out and pruned elsewhere removes only finished ones", async () => {
    const { clients, pool } = await openClients(3);
    const [gp, ...pruners] = clients as [Goalpost, Goalpost, Goalpost];
    const w = workflow<number>("churn")
      .step("a", ({ run }) => run)
      .step("b", { after: ["a"] }, ({ a }) => a);
    let done = false;
    const pruning = pruners.map(async (pruner) => {
      let runs = 0;
      while (!done) {
        runs += (await pruner.runs.prune({ olderThanMs: 0, batch: 20 })).runs;
      }
      return runs;
    });
    const results = [];
    for (let round = 0; round < 10; round++) {
      results.push(...(await Promise.all(Array.from({ length: 40 }, (_, index) => gp.execute(w, index)))));
    }
    done = true;
    const pruned = (await Promise.all(pruning)).reduce((sum, runs) => sum + runs, 0);
    expect(results.map((result) => result.output.b)).toEqual(
      Array.from({ length: 400 }, (_, index) => index % 40),
    );
    const last = (await gp.runs.prune({ olderThanMs: 0 })).runs;
    expect(pruned + last).toBe(400);
    for (const table of ["runs", "tasks", "ready"]) {
      expect(await rows(pool, `select 1 from goalpost.${table}`)).toEqual([]);
    }
  });
});
