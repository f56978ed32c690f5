import { randomUUID } from "node:crypto";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { Goalpost, type PoolLike, silentLogger, workflow } from "../src/index.ts";
import { migrate } from "../src/store/migrate.ts";
import { createPgDriver } from "../src/store/pg-driver.ts";
import { FakeClock } from "../src/testing/index.ts";
import { createDatabase } from "./contract/backends.ts";

/** A pool that counts what is sent through it, and can be cut off from its database. */
class WatchedPool implements PoolLike {
  readonly pool: pg.Pool;
  readonly statements: string[] = [];
  underWay = 0;
  cutOff = false;

  constructor(url: string) {
    this.pool = new pg.Pool({ connectionString: url, max: 10 });
    this.pool.on("error", () => undefined);
    onTestFinished(() => this.pool.end());
  }

  async query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> {
    if (this.cutOff) {
      throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    }
    this.statements.push(text);
    this.underWay += 1;
    try {
      return await this.pool.query(text, values);
    } finally {
      this.underWay -= 1;
    }
  }

  async connect(): Promise<never> {
    if (this.cutOff) {
      throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    }
    return (await this.pool.connect()) as never;
  }

  end(): Promise<void> {
    return this.pool.end();
  }

  /** Resolves when nothing is under way any more. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < 5; turns++) {
      await new Promise(setImmediate);
      turns = this.underWay > 0 ? 0 : turns;
    }
  }
}

/** The session locks of this database; pg_locks lists those of all. */
const LOCKS =
  "from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())";

interface Opened {
  readonly gp: Goalpost;
  readonly pool: WatchedPool;
  readonly clock: FakeClock;
  readonly query: <R>(text: string, values?: unknown[]) => Promise<R[]>;
  /** Lets time pass, half a second at a time, each with all that it brings. */
  readonly pass: (ms: number) => Promise<void>;
}

async function open({ url, queue = "default" }: { url?: string; queue?: string } = {}): Promise<Opened> {
  const database = url ?? (await createDatabase());
  const pool = new WatchedPool(database);
  await migrate(createPgDriver(pool, { logger: silentLogger, ownsPool: false }));
  const clock = new FakeClock(new Date());
  const gp = await Goalpost.open({
    database: pool,
    logger: silentLogger,
    clock,
    workers: { queues: [queue] },
  });
  onTestFinished(async () => {
    pool.cutOff = false;
    const closed = gp.close({ graceMs: 0 });
    clock.advance(0);
    await closed;
  });
  await pool.quiet();
  return {
    gp,
    pool,
    clock,
    query: async (text, values) => (await pool.pool.query(text, values as never)).rows,
    async pass(ms) {
      for (let passedMs = 0; passedMs < ms; passedMs += 500) {
        clock.advance(Math.min(500, ms - passedMs));
        await pool.quiet();
      }
    },
  };
}

describe("an idle client", () => {
  test("sends two statements a second at most, whoever else is there", async () => {
    const { gp, pool, pass } = await open();
    gp.register({ workflows: [workflow("idle").step("a", () => 0)] });
    await pass(1000);
    pool.statements.length = 0;
    await pass(60_000);
    expect(pool.statements.length).toBeLessThanOrEqual(120);
    expect(new Set(pool.statements.map((text) => text.split("(")[0]))).toEqual(
      new Set(["select goalpost.exchange"]),
    );
  });
});

describe("the session lock of a client", () => {
  test("is held while it is there, and its key is told with the beat", async () => {
    const { gp, query, pass } = await open();
    await pass(500);
    const rows = await query<{ held: boolean; session_lock: boolean }>(
      "select session_lock, goalpost.session_lock_is_held(lock_key) as held from goalpost.instances",
    );
    expect(rows).toEqual([{ session_lock: true, held: true }]);
    await gp.close();
    await expect.poll(() => query(`select 1 ${LOCKS}`)).toEqual([]);
  });

  test("is another one when the listening connection was made again", async () => {
    const { query, pass } = await open();
    await pass(500);
    const keyOf = async (): Promise<string | null | undefined> => {
      const [row] = await query<{ key: string | null }>(
        "select lock_key::text as key from goalpost.instances",
      );
      return row?.key;
    };
    const before = await keyOf();
    await query(`select pg_terminate_backend(pid) ${LOCKS}`);
    await expect.poll(keyOf, { timeout: 5000 }).not.toBe(before);
    await expect.poll(keyOf, { timeout: 5000 }).toMatch(/^\d+$/);
    expect(
      await query("select goalpost.session_lock_is_held(lock_key) as held from goalpost.instances"),
    ).toEqual([{ held: true }]);
  });
});

/** A client that is cut off from its database while it carries out a task, and how the task's signal aborts. */
async function cutOffAtWork(options: { lockToo: boolean }) {
  const queue = `q_${randomUUID()}`;
  const url = await createDatabase();
  const first = await open({ url, queue });
  const reasons: unknown[] = [];
  const hang = workflow("left").step("work", async (_, ctx) => {
    ctx.signal.addEventListener("abort", () => reasons.push(ctx.signal.reason));
    return new Promise<string>(() => undefined);
  });
  const { runId } = await first.gp.start(hang, null, { queue });
  await first.pass(500);
  await expect.poll(async () => (await first.gp.runs.progress(runId)).runningTasks).toBe(1);
  first.pool.cutOff = true;
  if (options.lockToo) {
    await first.query(`select pg_terminate_backend(pid) ${LOCKS}`);
    await expect.poll(() => first.query(`select 1 ${LOCKS}`)).toEqual([]);
  }
  return { first, url, queue, runId, reasons };
}

describe("a client that is cut off", () => {
  test("aborts its tasks 1.2 s after its last beat if its lock is gone", async () => {
    const { first, reasons } = await cutOffAtWork({ lockToo: true });
    await first.pass(1100);
    expect(reasons).toEqual([]);
    await first.pass(100);
    expect(reasons).toMatchObject([{ code: "LEASE_LOST" }]);
  });

  test("aborts its tasks 25 s after its last beat if it has its lock", async () => {
    const { first, reasons } = await cutOffAtWork({ lockToo: false });
    await first.pass(24_900);
    expect(reasons).toEqual([]);
    await first.pass(100);
    expect(reasons).toMatchObject([{ code: "LEASE_LOST" }]);
  });

  test("is lost after 1.5 s of another's looks if its lock is gone, and the other does its task", async () => {
    const { url, queue, runId } = await cutOffAtWork({ lockToo: true });
    const other = await open({ url, queue });
    other.gp.register({ workflows: [workflow("left").step("work", () => "done elsewhere")] });
    await other.pass(1000);
    expect((await other.gp.runs.get(runId)).tasks[0]?.history).toEqual([]);
    await other.pass(1500);
    // What it was handed at the last look may still be on its way.
    await expect
      .poll(() => other.gp.runs.get(runId), { timeout: 10_000 })
      .toMatchObject({ output: { work: "done elsewhere" }, tasks: [{ history: [{ outcome: "lost" }] }] });
  });

  test("is given 30 s if its lock is held", async () => {
    const { url, queue, runId } = await cutOffAtWork({ lockToo: false });
    const other = await open({ url, queue });
    other.gp.register({ workflows: [workflow("left").step("work", () => "done elsewhere")] });
    await other.pass(29_000);
    expect((await other.gp.runs.get(runId)).status).toBe("running");
    await other.pass(3000);
    await expect
      .poll(async () => (await other.gp.runs.get(runId)).status, { timeout: 10_000 })
      .toBe("completed");
  });

  test("does not take the others for lost when it is back: it has seen nothing meanwhile", async () => {
    const queue = `q_${randomUUID()}`;
    const url = await createDatabase();
    const one = await open({ url, queue });
    const two = await open({ url, queue });
    await one.pass(500);
    await two.pass(500);
    one.pool.cutOff = true;
    two.pool.cutOff = true;
    // As a restart of the server does it.
    await one.query(`select pg_terminate_backend(pid) ${LOCKS}`);
    await one.pass(1000);
    one.pool.cutOff = false;
    // Calls are repeated by the machine's clock.
    await expect
      .poll(() => one.query("select 1 from goalpost.instances where beat > 2"), { timeout: 10_000 })
      .toHaveLength(1);
    // So is the listening connection made again; what was observed until then does not count.
    await expect.poll(() => one.query(`select 1 ${LOCKS}`), { timeout: 10_000 }).toHaveLength(1);
    await one.pass(4000);
    expect(await one.gp.instances.list({ status: "lost" })).toEqual([]);
    await one.pass(5000);
    expect(await one.gp.instances.list({ status: "lost" })).toHaveLength(1);
  });
});
