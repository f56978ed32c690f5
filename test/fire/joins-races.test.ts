import fc from "fast-check";
import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { ClaimedTask } from "../../src/engine/protocol.ts";
import {
  type AnyWorkflow,
  Goalpost,
  type StepMap,
  silentLogger,
  type TaskSpec,
  workflow,
} from "../../src/index.ts";
import { migrate } from "../../src/store/migrate.ts";
import { createPgDriver } from "../../src/store/pg-driver.ts";
import { createDatabase } from "../contract/backends.ts";
import { SqlWorker } from "../contract/sql-worker.ts";
import { Fleet, type FleetOptions } from "../fleet.ts";
import { assertInvariants } from "../invariants.ts";
import { buildGraph, foresee, GraphWatch, randomGraph } from "../random-graph.ts";

async function startFleet(options: FleetOptions): Promise<Fleet> {
  const fleet = await Fleet.start(options);
  onTestFinished(() => fleet.stop());
  return fleet;
}

/** The builder without its types, for workflows made in a loop. */
interface LooseBuilder extends AnyWorkflow {
  step(name: string, ...rest: unknown[]): LooseBuilder;
}

const loose = (name: string): LooseBuilder => workflow(name) as unknown as LooseBuilder;

/** A root, `parts` steps after it, and a join over them; calls counts who ran. */
function fan(parts: number, calls: Map<string, number>): AnyWorkflow {
  const note = async (_: unknown, ctx: { runId: string; taskId: string }): Promise<string> => {
    await new Promise(setImmediate);
    const key = `${ctx.runId}/${ctx.taskId}`;
    calls.set(key, (calls.get(key) ?? 0) + 1);
    return ctx.taskId;
  };
  const names = Array.from({ length: parts }, (_, index) => `part${index}`);
  const rooted = loose("fan").step("root", note);
  const fanned = names.reduce((built, name) => built.step(name, { after: ["root"] }, note), rooted);
  return fanned.step("join", { after: names }, note);
}

describe("workers that share a lane", () => {
  test("completing into one join at once run it once, and end every run once", async () => {
    const fleet = await startFleet({ workers: 4 });
    const calls = new Map<string, number>();
    const w = fan(8, calls);
    const runs = await Promise.all(Array.from({ length: 60 }, (_, index) => fleet.submit(w, index)));
    const ends = await Promise.all(runs.map((run) => run.ended));
    expect(ends.map((run) => run.status)).toEqual(runs.map(() => "completed"));
    expect(calls.size).toBe(60 * 10);
    expect(new Set(calls.values())).toEqual(new Set([1]));
    expect(runs.filter((run) => fleet.endsOf(run.runId).length !== 1)).toEqual([]);
    await assertInvariants(fleet.driver);
  });

  test("lose answers of the database without losing a run or running a task twice", async () => {
    let answers = 0;
    const fleet = await startFleet({ workers: 3, losesAnswer: () => ++answers % 7 === 0 });
    const calls = new Map<string, number>();
    const w = fan(5, calls);
    const runs = await Promise.all(Array.from({ length: 40 }, (_, index) => fleet.submit(w, index)));
    const ends = await Promise.all(runs.map((run) => run.ended));
    expect(ends.every((run) => run.status === "completed")).toBe(true);
    expect(calls.size).toBe(40 * 7);
    expect(new Set(calls.values())).toEqual(new Set([1]));
    expect(answers).toBeGreaterThan(50);
  });
});

describe("workers that come and go", () => {
  test("hand on what they held: every run completes, and every task's output is stored once", async () => {
    const fleet = await startFleet({ workers: 3 });
    const calls = new Map<string, number>();
    const w = fan(6, calls);
    const runs = await Promise.all(Array.from({ length: 40 }, (_, index) => fleet.submit(w, index)));
    const ended = Promise.all(runs.map((run) => run.ended));
    for (let replaced = 0; replaced < 6; replaced++) {
      await fleet.replace(replaced % 3);
    }
    expect((await ended).map((run) => run.status)).toEqual(runs.map(() => "completed"));
    expect(calls.size).toBe(40 * 8);
    expect(runs.filter((run) => fleet.endsOf(run.runId).length !== 1)).toEqual([]);
    await assertInvariants(fleet.driver);
  });
});

describe("two transactions that want one task", () => {
  async function open(): Promise<{ worker: SqlWorker; runId: string; task: ClaimedTask; pool: pg.Pool }> {
    const url = await createDatabase();
    const pool = new pg.Pool({ connectionString: url, max: 4 });
    onTestFinished(() => pool.end());
    const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
    await migrate(driver);
    const worker = new SqlWorker(driver);
    const runId = await worker.start(workflow("one").step("a", () => 0));
    return { worker, runId, task: await worker.claim(), pool };
  }

  /** Runs a statement, then `meanwhile` while its transaction is open, and commits when that waits for a lock. */
  async function inTransaction<T>(pool: pg.Pool, statement: string, meanwhile: () => Promise<T>): Promise<T> {
    const client = await pool.connect();
    await client.query("begin");
    await client.query(statement);
    const waiting = meanwhile();
    await vi.waitFor(async () => {
      const { rowCount } = await pool.query(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      expect(rowCount).toBe(1);
    });
    await client.query("commit");
    client.release();
    return waiting;
  }

  const statusOf = async (pool: pg.Pool, runId: string): Promise<string[]> => {
    const { rows } = await pool.query(
      `(select status from goalpost.tasks where run_id = $1 order by position)
        union all select status from goalpost.runs where id = $1`,
      [runId],
    );
    return rows.map((row) => row.status);
  };

  test("a report waits for a put-back that is under way, and is refused after it", async () => {
    const { worker, runId, task, pool } = await open();
    const reply = await inTransaction(pool, `select goalpost.put_back('${worker.id}', 'lost', 5)`, () =>
      worker.complete([task], "too late"),
    );
    expect([...reply.refused.keys()]).toEqual([0]);
    expect(await statusOf(pool, runId)).toEqual(["ready", "waiting", "running"]);
  });

  test("a report waits for a cancellation that is under way, and is refused after it", async () => {
    const { worker, runId, task, pool } = await open();
    const cancel = `select goalpost.stop_run('${runId}', 'cancelled', '{"code":"CANCELLED"}')`;
    const reply = await inTransaction(pool, cancel, () => worker.complete([task], "too late"));
    expect([...reply.refused]).toEqual([[0, "cancelled"]]);
    expect(await statusOf(pool, runId)).toEqual(["cancelled", "cancelled", "cancelled"]);
  });

  test("a cancellation waits for a put-back that is under way, and cancels what came back", async () => {
    const { worker, runId, pool } = await open();
    const stopped = await inTransaction(pool, `select goalpost.put_back('${worker.id}', 'lost', 5)`, () =>
      pool.query("select goalpost.stop_run($1, 'cancelled', '{}') as stopped", [runId]),
    );
    expect(stopped.rows).toEqual([{ stopped: true }]);
    expect(await statusOf(pool, runId)).toEqual(["cancelled", "cancelled", "cancelled"]);
  });

  test("of two cancellations one waits for the other, and one of them is the one that did it", async () => {
    const { runId, pool } = await open();
    const cancel = `select goalpost.stop_run('${runId}', 'cancelled', '{"message":"first"}')`;
    const second = await inTransaction(pool, cancel, () =>
      pool.query(`select goalpost.stop_run($1, 'cancelled', '{"message":"second"}') as stopped`, [runId]),
    );
    expect(second.rows).toEqual([{ stopped: false }]);
    const { rows } = await pool.query("select error->>'message' as message from goalpost.runs");
    expect(rows).toEqual([{ message: "first" }]);
  });
});

describe("clients of one database", () => {
  async function openClients(count: number): Promise<Goalpost[]> {
    const database = await createDatabase();
    const clients = await Promise.all(
      Array.from({ length: count }, () => Goalpost.open({ database, logger: silentLogger })),
    );
    onTestFinished(async () => void (await Promise.all(clients.map((gp) => gp.close({ graceMs: 0 })))));
    return clients;
  }

  test("that define one workflow at once share one definition", async () => {
    const clients = await openClients(4);
    const w = workflow<number>("shared")
      .step("a", ({ run }) => run)
      .step("b", { after: ["a"] }, ({ a }) => a * 2);
    const results = await Promise.all(clients.map((gp, index) => gp.execute(w, index)));
    expect(results.map((result) => result.output.b)).toEqual([0, 2, 4, 6]);
    const watched = await clients[0]?.runs.list({ workflow: "shared" });
    expect(watched).toHaveLength(4);
  });

  test("carry out more goals at once than plans are kept in memory", async () => {
    const database = await createDatabase();
    const gp = await Goalpost.open({ database, logger: silentLogger, workers: { concurrency: 700 } });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    const plan = (): TaskSpec[] => [
      { id: "a", description: "" },
      { id: "b", description: "", dependsOn: ["a"] },
    ];
    const steps: StepMap = { a: ({ run }) => run.goal, b: ({ a }) => a };
    const goals = Array.from({ length: 600 }, (_, n) => `goal ${n}`);
    const results = await Promise.all(goals.map((goal) => gp.executeGoal(goal, plan, steps)));
    expect(results.map((result) => result.output.b)).toEqual(goals);
  });

  test("cancel and complete runs at the same moment: each ends once, and every call is answered", async () => {
    const [owner, other] = (await openClients(2)) as [Goalpost, Goalpost];
    const cancels = new Map<string, Promise<boolean>>();
    const cancelAt = async (step: string): Promise<string> => {
      const note = (_: unknown, ctx: { runId: string; taskId: string }): void => {
        if (ctx.taskId === step) {
          cancels.set(ctx.runId, other.runs.cancel(ctx.runId));
        }
      };
      const parts = ["part0", "part1", "part2", "part3"];
      const rooted = loose(`cancelled_at_${step}`).step("root", note);
      const fanned = parts.reduce((built, name) => built.step(name, { after: ["root"] }, note), rooted);
      return (await owner.start(fanned.step("join", { after: parts }, note), null as never)).runId;
    };
    const steps = ["root", "part1", "part3", "join"];
    const ids = await Promise.all(Array.from({ length: 80 }, (_, n) => cancelAt(steps[n % 4] as string)));
    for (const id of ids) {
      const { status } = await owner.runs.wait(id);
      expect(status).toBe((await cancels.get(id)) ? "cancelled" : "completed");
      const run = await owner.runs.get(id);
      expect(run.tasks.filter((task) => task.finishedAt === null)).toEqual([]);
    }
    expect(cancels.size).toBe(ids.length);
  });
});

describe("any graph with any failures, conditions and maps", () => {
  test("ends in exactly one state, in order, with every row as it must be", { timeout: 60_000 }, async () => {
    const fleet = await startFleet({ workers: 3 });
    const ends = new Set<string>();
    let graphs = 0;
    await fc.assert(
      fc.asyncProperty(randomGraph, async (graph) => {
        graphs += 1;
        const expected = foresee(graph);
        const watch = new GraphWatch(graph);
        const built = buildGraph(`random${graphs}`, graph, watch);
        const runs = await Promise.all([0, 1, 2].map((via) => fleet.submit(built, via)));
        const ended = await Promise.all(runs.map((run) => run.ended));
        expect(ended.map((run) => run.status)).toEqual(runs.map(() => expected.status));
        expect(watch.broken).toEqual([]);
        for (const { runId } of runs) {
          const rows = await fleet.driver.query<{ name: string; status: string }>(
            `select s.name, t.status from goalpost.tasks t
             join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
             where t.run_id = $1 and t.item = -1 and s.kind <> 'end'`,
            [runId],
          );
          const statuses = Object.fromEntries(rows.map((row) => [row.name, row.status]));
          expect(statuses).toMatchObject(expected.tasks);
        }
        ends.add(expected.status);
      }),
      { numRuns: 40 },
    );
    await assertInvariants(fleet.driver);
    expect([...ends].toSorted()).toEqual(["completed", "failed"]);
  });
});
