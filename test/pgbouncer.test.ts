import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Goalpost, type OpenOptions, silentLogger, workflow } from "../src/index.ts";
import { isTransactionPooled } from "../src/store/pooler.ts";
import { createDatabase } from "./contract/backends.ts";

const binary = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"].find((file) =>
  existsSync(file),
);

/** A pooler before a database. */
class Pooler {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, process: ChildProcess, folder: string) {
    this.url = url;
    this.#process = process;
    this.#folder = folder;
  }

  static async start(database: string, mode: "transaction" | "session"): Promise<Pooler> {
    const target = new URL(database);
    const folder = mkdtempSync(join(tmpdir(), "goalpost-pgbouncer-"));
    const port = await freePort();
    const users = join(folder, "users");
    const config = join(folder, "pgbouncer.ini");
    writeFileSync(users, `"${target.username}" "${decodeURIComponent(target.password)}"\n`);
    writeFileSync(
      config,
      `[databases]
* = host=${target.hostname} port=${target.port || 5432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = ${mode}
default_pool_size = 8
max_client_conn = 200
`,
    );
    const user = unprivilegedUser();
    if (user) {
      chmodSync(folder, 0o755);
      chownSync(folder, user.uid, user.gid);
    }
    const child = spawn(binary ?? "", [config], { ...user, stdio: ["ignore", "ignore", "pipe"] });
    const url = new URL(database);
    url.hostname = "127.0.0.1";
    url.port = String(port);
    await untilReady(child);
    return new Pooler(url.href, child, folder);
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGINT");
    this.#process.kill("SIGKILL");
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** PgBouncer refuses to run as root, as PostgreSQL does. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) {
    return undefined;
  }
  const ask = (flag: string): number => Number(execFileSync("id", [flag, "nobody"]));
  return { uid: ask("-u"), gid: ask("-g") };
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      log = `${log}${chunk}`.slice(-4000);
      if (log.includes("process up")) {
        resolve();
      }
    });
    child.once("exit", (code) => reject(new Error(`PgBouncer ended with ${code}: ${log}`)));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on("error", () => undefined);
  onTestFinished(() => pool.end());
  return pool;
}

describe.runIf(binary)("behind PgBouncer in transaction mode", () => {
  let database: string;
  let pooler: Pooler;

  beforeAll(async () => {
    database = await createDatabase();
    pooler = await Pooler.start(database, "transaction");
  });
  afterAll(() => pooler?.stop());

  async function open(options: OpenOptions = {}): Promise<Goalpost> {
    const gp = await Goalpost.open({ database: pooler.url, logger: silentLogger, ...options });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    return gp;
  }

  const chain = workflow<number>("pooled_chain")
    .step("one", ({ run }) => run + 1)
    .step("two", { after: ["one"] }, ({ one }, ctx) => ctx.once("two", () => one * 2))
    .step("three", { after: ["two"] }, ({ two }) => two + 1);

  test("the pooler is noticed, with others at work and without", async () => {
    const pool = openPool(pooler.url);
    expect(await isTransactionPooled(pool)).toBe(true);
    const noise = openPool(pooler.url);
    const busy = Array.from({ length: 20 }, () => noise.query("select pg_sleep(0.02)"));
    expect(await isTransactionPooled(pool)).toBe(true);
    await Promise.all(busy);
  });

  test("the pooler is noticed whoever had its connections last", async () => {
    const other = openPool(pooler.url);
    for (let round = 0; round < 20; round++) {
      const pool = openPool(pooler.url);
      const before = [pool.query("select 1"), other.query("select pg_sleep(0.005)")];
      expect(await isTransactionPooled(pool)).toBe(true);
      await Promise.all(before);
    }
  });

  test("local runs are carried out, many at once", async () => {
    const gp = await open();
    const runs = Array.from({ length: 50 }, (_, index) => gp.execute(chain, index));
    const outputs = (await Promise.all(runs)).map(({ output }) => output.three);
    expect(outputs).toEqual(Array.from({ length: 50 }, (_, index) => (index + 1) * 2 + 1));
  });

  test("two clients share distributed runs by polling", async () => {
    const queue = "shared";
    const clients = await Promise.all(
      ["one", "two"].map((instanceId) => open({ instanceId, workers: { queues: [queue], concurrency: 2 } })),
    );
    for (const gp of clients) {
      gp.register({ workflows: [chain] });
    }
    const starter = await open({ workers: false });
    const handles = await Promise.all(
      Array.from({ length: 20 }, (_, index) => starter.start(chain, index, { queue })),
    );
    const results = await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 15_000 })));
    expect(results.map(({ output }) => output.three)).toEqual(
      Array.from({ length: 20 }, (_, index) => (index + 1) * 2 + 1),
    );
  });

  test("nothing that belongs to a session is left on the pooler's connections", async () => {
    const gp = await open();
    await gp.execute(chain, 1);
    const direct = openPool(database);
    const { rows: rowsOf } = await direct.query<{ lock: boolean }>(
      "select session_lock as lock from goalpost.instances where worker = $1::uuid",
      [(await gp.instances.list({ status: "online" })).find(({ pid }) => pid === process.pid)?.workerId],
    );
    expect(rowsOf).toEqual([{ lock: false }]);
    // Exchanges take turns by a lock that ends with their transaction.
    const locks = async (): Promise<unknown[]> =>
      (
        await direct.query(
          "select l.mode, l.granted, a.pid, a.state, a.query, now() - a.state_change as since from pg_locks l join pg_database d on d.oid = l.database left join pg_stat_activity a on a.pid = l.pid where l.locktype = 'advisory' and d.datname = current_database()",
        )
      ).rows;
    await expect.poll(locks, { timeout: 10_000 }).toEqual([]);
    const through = openPool(pooler.url);
    const { rows: channels } = await through.query("select pg_listening_channels()");
    expect(channels).toEqual([]);
  });

  test("a run that another client cancels is aborted all the same", async () => {
    const gp = await open();
    const other = await open({ workers: false });
    const aborted: unknown[] = [];
    const hanging = workflow("pooled_hang").step("hang", async (_, ctx) => {
      await new Promise((_resolve, reject) => ctx.signal.addEventListener("abort", reject));
    });
    const handle = await gp.start(hanging, null);
    await expect.poll(async () => (await gp.runs.progress(handle.runId)).runningTasks).toBe(1);
    await other.runs.cancel(handle.runId);
    await handle.result({ timeoutMs: 5000 }).catch((error: unknown) => aborted.push(error));
    expect(aborted).toMatchObject([{ cause: { code: "CANCELLED" } }]);
  });
});

describe.runIf(binary)("behind PgBouncer in session mode", () => {
  test("a session is a session: there is a lock, and messages arrive", async () => {
    const database = await createDatabase();
    const pooler = await Pooler.start(database, "session");
    onTestFinished(() => pooler.stop());
    expect(await isTransactionPooled(openPool(pooler.url))).toBe(false);
    const gp = await Goalpost.open({ database: pooler.url, logger: silentLogger });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    const direct = openPool(database);
    const locked = async (): Promise<unknown[]> =>
      (await direct.query("select 1 from goalpost.instances where goalpost.session_lock_is_held(lock_key)"))
        .rows;
    await expect.poll(locked).toHaveLength(1);
    // PgBouncer would not end while a client is there.
    await gp.close({ graceMs: 0 });
  });
});

test("without a pooler none is noticed", async () => {
  const pool = openPool(await createDatabase());
  expect(await isTransactionPooled(pool)).toBe(false);
  // Nor if the pool does not tell which process it was connected to.
  const shy = {
    connect: async () => {
      const client = await pool.connect();
      return new Proxy(client, {
        get: (target, key) => {
          const value = key === "processID" ? undefined : Reflect.get(target, key);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
  expect(await isTransactionPooled(shy as never)).toBe(false);
});

test.skipIf(binary)(
  "PgBouncer is not installed here: its tests are left out (apt-get install pgbouncer)",
  () => {
    expect(binary).toBeUndefined();
  },
);
