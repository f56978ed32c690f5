import { inspect } from "node:util";
import pg from "pg";
import { describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { Goalpost, silentLogger, workflow } from "../../src/index.ts";
import { createPgDriver } from "../../src/store/pg-driver.ts";
import { createDatabase } from "../contract/backends.ts";
import { rejection } from "../promises.ts";

function openPool(url: string = inject("databaseUrl")): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on("error", () => undefined);
  onTestFinished(() => (pool.ended ? undefined : pool.end()));
  return pool;
}

describe("listening", () => {
  test("messages arrive until the listener is closed", async () => {
    const pool = openPool();
    const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
    const heard: string[] = [];
    const stop = await driver.listen('od"d channel', { onMessage: (payload) => heard.push(payload) });
    const notify = (text: string) => driver.query("select pg_notify($1, $2)", ['od"d channel', text]);
    await notify("one");
    await vi.waitFor(() => expect(heard).toEqual(["one"]));
    await stop();
    await notify("two");
    await driver.query("select 1");
    expect(heard).toEqual(["one"]);
  });

  test("goes on after its connection was killed, and says that messages may be missing", async () => {
    const pool = openPool();
    const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
    const heard: string[] = [];
    let reconnects = 0;
    const stop = await driver.listen("survivor", {
      onMessage: (payload) => heard.push(payload),
      onReconnect: () => {
        reconnects += 1;
      },
    });
    const killed = await driver.query<{ killed: boolean }>(
      `select pg_terminate_backend(pid) as killed from pg_stat_activity
       where query = 'listen "survivor"' and pid <> pg_backend_pid()`,
    );
    expect(killed).toEqual([{ killed: true }]);
    await vi.waitFor(() => expect(reconnects).toBe(1), { timeout: 10_000 });
    await driver.query("select pg_notify('survivor', 'still there')");
    await vi.waitFor(() => expect(heard).toEqual(["still there"]));
    await stop();
  });
});

describe("listening to several channels", () => {
  const LISTENING =
    "select 1 from pg_stat_activity where query ~ '^(un)?listen' and datname = current_database()";

  test("takes one connection, which is given up with the last of them", async () => {
    const pool = openPool(await createDatabase());
    const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
    const heard: string[] = [];
    const listen = (channel: string, who: string) =>
      driver.listen(channel, { onMessage: (payload) => heard.push(`${who}: ${payload}`) });
    const stops = await Promise.all([listen("one", "a"), listen("two", "b"), listen("two", "c")]);
    expect(await driver.query(LISTENING)).toHaveLength(1);
    const notify = () => driver.query("select pg_notify('one', '1'), pg_notify('two', '2')");
    await notify();
    await vi.waitFor(() => expect(heard.toSorted()).toEqual(["a: 1", "b: 2", "c: 2"]));
    await stops[1]?.();
    await stops[0]?.();
    await notify();
    await vi.waitFor(() => expect(heard.slice(3)).toEqual(["c: 2"]));
    await stops[2]?.();
    await vi.waitFor(async () => expect(await driver.query(LISTENING)).toHaveLength(0));
    const again = await listen("one", "d");
    await notify();
    await vi.waitFor(() => expect(heard.slice(4)).toEqual(["d: 1"]));
    await again();
  });

  test("listens to each again after the connection was killed", async () => {
    const pool = openPool(await createDatabase());
    const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
    const heard: string[] = [];
    const listen = (channel: string) =>
      driver.listen(channel, {
        onMessage: (payload) => heard.push(payload),
        onReconnect: () => heard.push(`${channel} is back`),
      });
    await listen("one");
    await listen("two");
    await driver.query(LISTENING.replace("select 1", "select pg_terminate_backend(pid)"));
    await vi.waitFor(() => expect(heard.toSorted()).toEqual(["one is back", "two is back"]));
    await driver.query("select pg_notify('one', '1'), pg_notify('two', '2')");
    await vi.waitFor(() => expect(heard.slice(2)).toEqual(["1", "2"]));
    await driver.close();
  });
});

describe("a session lock", () => {
  test("is held under a new key on every connection, until its listener stops", async () => {
    const pool = openPool(await createDatabase());
    const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
    const keys: (string | null)[] = [];
    const stop = await driver.listen("one", { onMessage: () => undefined, onLock: (key) => keys.push(key) });
    const stopOther = await driver.listen("two", { onMessage: () => undefined });
    const held = async (): Promise<unknown[]> => {
      const rows = await driver.query<{ key: string }>(
        `select ((classid::bigint << 32) | objid::bigint)::text as key from pg_locks
         where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())`,
      );
      return rows.map((row) => row.key);
    };
    expect(await held()).toEqual(keys);
    await driver.query(
      "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid is not null and pid <> pg_backend_pid() and database = (select oid from pg_database where datname = current_database())",
    );
    await vi.waitFor(() => expect(keys).toHaveLength(3));
    expect(keys[1]).toBeNull();
    expect(new Set(keys).size).toBe(3);
    expect(await held()).toEqual([keys[2]]);
    await stop();
    expect(await held()).toEqual([]);
    await stopOther();
  });
});

describe("a pool that the caller made", () => {
  test("is not ended by close(), and gets its connections back", async () => {
    const pool = openPool(await createDatabase());
    const gp = await Goalpost.open({ database: pool, logger: silentLogger });
    const w = workflow("borrowed").step("a", () => 1);
    expect((await gp.execute(w, null)).output).toEqual({ a: 1 });
    await gp.close();
    expect(pool.ended).toBe(false);
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    expect(pool.idleCount).toBe(pool.totalCount);
  });

  test("is not touched beyond its use: no listener of ours stays on it", async () => {
    const pool = openPool(await createDatabase());
    const before = pool.eventNames().map((name) => [name, pool.listenerCount(name)]);
    const gp = await Goalpost.open({ database: pool, logger: silentLogger });
    await gp.close();
    expect(pool.eventNames().map((name) => [name, pool.listenerCount(name)])).toEqual(before);
  });
});

describe("a connection that breaks", () => {
  test("does not stop a run: calls are repeated until they are answered", async () => {
    const url = await createDatabase();
    const gp = await Goalpost.open({ database: url, logger: silentLogger });
    const killer = openPool(url);
    const done: number[] = [];
    const w = workflow<number>("broken").step("kill", async ({ run }) => {
      await killer.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
      );
      done.push(run);
      return run;
    });
    const results = [];
    for (const input of [1, 2, 3]) {
      results.push((await gp.execute(w, input)).output.kill);
    }
    expect(results).toEqual([1, 2, 3]);
    expect(done).toEqual([1, 2, 3]);
    await gp.close();
  });
});

describe("an address that is no good", () => {
  const { port } = new URL(inject("databaseUrl"));

  test.for<[string, string, string]>([
    ["a port where nobody listens", "postgres://me:s3cret@127.0.0.1:1/db", "DATABASE_UNAVAILABLE"],
    ["a host that does not exist", "postgres://me:s3cret@no.such.host.invalid/db", "DATABASE_UNAVAILABLE"],
    [
      "a database that is not there",
      `postgres://postgres:s3cret@127.0.0.1:${port}/no_such_db`,
      "DATABASE_UNAVAILABLE",
    ],
    ["a password with a slash in it", "postgres://me:s3cret/s3cret@127.0.0.1/db", "DATABASE_UNAVAILABLE"],
    ["a password with a hash in it", "postgres://me:x@s3cret#s3cret@127.0.0.1/db", "INVALID_INPUT"],
    ["another database's address", "mysql://me:s3cret@127.0.0.1/db", "INVALID_INPUT"],
    ["an address without its scheme", "me:s3cret@127.0.0.1/db", "INVALID_INPUT"],
    ["a password as a parameter", "mysql://127.0.0.1/db?password=s3cret", "INVALID_INPUT"],
    ["a scheme without a directory", "pglite:", "INVALID_INPUT"],
  ])("%s gives a clear error without the password", async ([, database, code]) => {
    const error = await rejection(Goalpost.open({ database, logger: silentLogger }));
    expect(error).toMatchObject({ code });
    expect(error.message.length).toBeGreaterThan(30);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("s3cret");
  });

  test.each([7, {}, { query: "no function" }])("%j is refused with INVALID_INPUT", async (database) => {
    const opening = Goalpost.open({ database: database as never, logger: silentLogger });
    expect(await rejection(opening)).toMatchObject({ code: "INVALID_INPUT" });
  });
});
