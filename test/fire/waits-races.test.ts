import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Queryable } from "../../src/core/driver.ts";
import type { ClaimedTask } from "../../src/engine/protocol.ts";
import {
  type AnyWorkflow,
  Goalpost,
  type GoalpostError,
  type StepContext,
  silentLogger,
  workflow,
} from "../../src/index.ts";
import { migrate } from "../../src/store/migrate.ts";
import { createPgDriver } from "../../src/store/pg-driver.ts";
import { createDatabase } from "../contract/backends.ts";
import { SqlWorker } from "../contract/sql-worker.ts";

/** The builder without its types, for workflows made in a loop. */
interface LooseBuilder extends AnyWorkflow {
  step(name: string, execute: () => number): LooseBuilder;
}

type Statement = (text: string, values?: unknown[]) => Promise<unknown>;

/** A worker whose calls can be made within a transaction that the test holds open. */
class Scene {
  readonly pool: pg.Pool;
  readonly worker: SqlWorker;
  #held: pg.PoolClient | undefined;

  private constructor(pool: pg.Pool) {
    this.pool = pool;
    const query = async (text: string, values?: readonly unknown[]) =>
      (await (this.#held ?? pool).query(text, values && [...values])).rows;
    this.worker = new SqlWorker({ query } as Queryable);
  }

  static async open(): Promise<Scene> {
    const pool = new pg.Pool({ connectionString: await createDatabase(), max: 6 });
    onTestFinished(() => pool.end());
    await migrate(createPgDriver(pool, { logger: silentLogger, ownsPool: false }));
    return new Scene(pool);
  }

  /** A run with `count` tasks, all handed to the worker. */
  async begin(count: number): Promise<{ runId: string; tasks: readonly ClaimedTask[] }> {
    const built = Array.from({ length: count }, (_, index) => `t${index}`).reduce(
      (chain, name) => chain.step(name, () => 0),
      workflow(`parked_${count}`) as unknown as LooseBuilder,
    );
    const runId = await this.worker.start(built);
    return { runId, tasks: (await this.worker.exchange({ room: count })).tasks };
  }

  park(tasks: readonly ClaimedTask[], wait: readonly unknown[]): Promise<unknown> {
    const payload = [[wait], [], [], null];
    return this.worker.exchange({ reports: tasks.map((task) => ({ task, outcome: "suspended", payload })) });
  }

  async holding<T>(first: (statement: Statement) => Promise<unknown>, second: () => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    await client.query("begin");
    this.#held = client;
    await first((text, values) => client.query(text, values));
    this.#held = undefined;
    const waiting = second();
    await vi.waitFor(async () => {
      const { rowCount } = await this.pool.query(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      expect(rowCount).toBe(1);
    });
    await client.query("commit");
    client.release();
    return waiting;
  }

  async statuses(runId: string): Promise<string[]> {
    const { rows } = await this.pool.query(
      "select status from goalpost.tasks where run_id = $1 order by position",
      [runId],
    );
    return rows.map((row) => row.status).slice(0, -1);
  }

  async answers(runId: string): Promise<unknown[]> {
    const { rows } = await this.pool.query(
      "select answer from goalpost.waits where run_id = $1 order by position",
      [runId],
    );
    return rows.map((row) => row.answer);
  }
}

const SIGNAL = "select goalpost.signal_run($1, 's', $2::json, null)";
const DECIDE = "select goalpost.decide_approval($1, 't0', null, $2, $3, null, null, null) as found";
const FOR_SIGNAL = ["/1", "signal", "s", null, null, true];
const FOR_CALL = ["/call/one", "approval", "deploy", null, null, true, '{"to":"prod"}'];
const FOR_APPROVAL = ["/approval", "approval", null, null, null, true];

describe("a signal and the task that waits for it", () => {
  test("a signal sent while the task is being parked waits for that, and wakes it", async () => {
    const scene = await Scene.open();
    const { runId, tasks } = await scene.begin(1);
    await scene.holding(
      () => scene.park(tasks, FOR_SIGNAL),
      () => scene.pool.query(SIGNAL, [runId, "1"]),
    );
    expect(await scene.statuses(runId)).toEqual(["ready"]);
    expect(await scene.answers(runId)).toEqual([1]);
  });

  test("a task parked while a signal is being sent waits for that, and is ready again", async () => {
    const scene = await Scene.open();
    const { runId, tasks } = await scene.begin(1);
    await scene.holding(
      (statement) => statement(SIGNAL, [runId, "2"]),
      () => scene.park(tasks, FOR_SIGNAL),
    );
    expect(await scene.statuses(runId)).toEqual(["ready"]);
    expect(await scene.answers(runId)).toEqual([2]);
  });

  test("of two signals sent at once each wakes one task", async () => {
    const scene = await Scene.open();
    const { runId, tasks } = await scene.begin(3);
    await scene.park(tasks, FOR_SIGNAL);
    await scene.holding(
      (statement) => statement(SIGNAL, [runId, "1"]),
      () => scene.pool.query(SIGNAL, [runId, "2"]),
    );
    expect((await scene.statuses(runId)).toSorted()).toEqual(["ready", "ready", "suspended"]);
    expect((await scene.answers(runId)).toSorted()).toEqual([1, 2, null]);
  });

  test("a signal does not touch a task that is being cancelled, and is refused then", async () => {
    const scene = await Scene.open();
    const { runId, tasks } = await scene.begin(1);
    await scene.park(tasks, FOR_SIGNAL);
    const sent = await scene.holding(
      (statement) => statement("select goalpost.stop_run($1, 'cancelled', '{}')", [runId]),
      () => scene.pool.query(`${SIGNAL} as status`, [runId, "1"]),
    );
    expect(sent.rows).toEqual([{ status: "cancelled" }]);
    expect(await scene.answers(runId)).toEqual([null]);
  });

  test("a report of parking from a worker that lost the task changes nothing", async () => {
    const scene = await Scene.open();
    const { runId, tasks } = await scene.begin(1);
    await scene.pool.query("select goalpost.put_back($1, 'lost', 5)", [scene.worker.id]);
    await scene.park(tasks, FOR_SIGNAL);
    expect(await scene.statuses(runId)).toEqual(["ready"]);
    expect(await scene.answers(runId)).toEqual([]);
  });
});

describe("two decisions on one task", () => {
  test("the second waits for the first, and is told of it", async () => {
    const scene = await Scene.open();
    const { runId, tasks } = await scene.begin(1);
    await scene.park(tasks, FOR_APPROVAL);
    const second = await scene.holding(
      (statement) => statement(DECIDE, [runId, "approved", "Ann"]),
      () => scene.pool.query(DECIDE, [runId, "rejected", "Bob"]),
    );
    expect(second.rows[0].found).toEqual([false, "ready", "approved", "Ann", expect.any(String), null]);
    expect(await scene.statuses(runId)).toEqual(["ready"]);
  });

  test("of one call of a tool the second waits for the first, and the args stay those that were asked", async () => {
    const scene = await Scene.open();
    const { runId, tasks } = await scene.begin(1);
    await scene.park(tasks, FOR_CALL);
    const second = await scene.holding(
      (statement) => statement(DECIDE, [runId, "approved", "Ann"]),
      () => scene.pool.query(DECIDE, [runId, "rejected", "Bob"]),
    );
    expect(second.rows[0].found).toEqual([false, "ready", "approved", "Ann", expect.any(String), null]);
    expect(await scene.statuses(runId)).toEqual(["ready"]);
    expect(await scene.answers(runId)).toEqual([{ to: "prod" }]);
  });

  test("a decision that comes while the run is being cancelled decides nothing", async () => {
    const scene = await Scene.open();
    const { runId, tasks } = await scene.begin(1);
    await scene.park(tasks, FOR_APPROVAL);
    const late = await scene.holding(
      (statement) => statement("select goalpost.stop_run($1, 'cancelled', '{}')", [runId]),
      () => scene.pool.query(DECIDE, [runId, "approved", "Ann"]),
    );
    expect(late.rows[0].found).toEqual([false, "cancelled", "waiting", null, null, null]);
  });
});

describe("clients under way", () => {
  async function open(count: number): Promise<Goalpost[]> {
    const database = await createDatabase();
    const clients = await Promise.all(
      Array.from({ length: count }, () => Goalpost.open({ database, logger: silentLogger })),
    );
    onTestFinished(async () => void (await Promise.all(clients.map((gp) => gp.close({ graceMs: 0 })))));
    return clients;
  }

  test("no signal is lost and none is spent twice, whoever sends when", { timeout: 60_000 }, async () => {
    const [owner, ...senders] = await open(4);
    const wait = async (_: unknown, ctx: Pick<StepContext, "waitFor">): Promise<number[]> => {
      const first = await Promise.all([ctx.waitFor<number>("n"), ctx.waitFor<number>("n")]);
      return [...first, await ctx.waitFor<number>("n")];
    };
    const w = workflow("signalled").step("a", wait).step("b", wait).step("c", wait);
    const handles = await Promise.all(Array.from({ length: 20 }, () => owner?.start(w, null)));
    const numbers = Array.from({ length: 9 }, (_, index) => index);
    await Promise.all(
      handles.flatMap((handle) =>
        numbers.map((n) => senders[n % senders.length]?.runs.signal(handle?.runId ?? "", "n", n)),
      ),
    );
    for (const handle of handles) {
      const { output } = (await handle?.result()) ?? { output: { a: [], b: [], c: [] } };
      expect([...output.a, ...output.b, ...output.c].toSorted()).toEqual(numbers);
    }
  });

  test("children that end while their parents are parked again wake them all", {
    timeout: 60_000,
  }, async () => {
    const [owner] = await open(1);
    const child = workflow<number>("child").step("n", async ({ run }, ctx) => {
      await ctx.sleep(run % 7);
      return run;
    });
    const parent = workflow("parent").step("all", (_, ctx) =>
      Promise.all([1, 2, 3, 4, 5].map(async (n) => (await ctx.execute(child, n, { key: `c${n}` })).output.n)),
    );
    const results = await Promise.all(Array.from({ length: 30 }, () => owner?.execute(parent, null)));
    expect(results.map((result) => result?.output.all)).toEqual(results.map(() => [1, 2, 3, 4, 5]));
  });

  test("parents are cancelled while their children end, and every call is answered", async () => {
    const [owner, other] = await open(2);
    const child = workflow("ends_soon").step("n", (_, ctx) => ctx.sleep(5));
    const parent = workflow("cancelled_parent").step("p", (_, ctx) =>
      ctx.execute(child, null, { key: "c" }).then(({ runId }) => runId),
    );
    const handles = await Promise.all(Array.from({ length: 40 }, () => owner?.start(parent, null)));
    const ends = await Promise.all(
      handles.map(async (handle, index) => {
        await new Promise((resolve) => setTimeout(resolve, index));
        await other?.runs.cancel(handle?.runId ?? "");
        return handle?.result().then(
          () => "completed",
          (error: GoalpostError) => (error.cause as GoalpostError).code,
        );
      }),
    );
    expect(ends.filter((end) => end !== "completed" && end !== "CANCELLED")).toEqual([]);
  });

  test("a decision made by one client wakes the task at another", async () => {
    const [owner, other] = await open(2);
    const handle = await owner?.startGoal("approve", () => [{ id: "a", description: "a", approval: true }], {
      a: () => "done",
    });
    const runId = handle?.runId ?? "";
    await vi.waitFor(() => other?.runs.approve(runId, "a", { by: "Ann" }), { timeout: 5000, interval: 20 });
    expect((await handle?.result())?.output).toEqual({ a: "done" });
  });
});
