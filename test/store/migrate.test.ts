import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { Driver } from "../../src/core/driver.ts";
import { Goalpost, silentLogger, workflow } from "../../src/index.ts";
import { migrate } from "../../src/store/migrate.ts";
import { createPgDriver } from "../../src/store/pg-driver.ts";
import { createDatabase } from "../contract/backends.ts";
import { rejection } from "../promises.ts";

async function openDatabase(): Promise<{ url: string; driver: Driver }> {
  const url = await createDatabase();
  return { url, driver: connect(url) };
}

function connect(url: string): Driver {
  const pool = new pg.Pool({ connectionString: url, max: 3 });
  onTestFinished(() => pool.end());
  return createPgDriver(pool, { logger: silentLogger, ownsPool: false });
}

test("an empty database is given every table and function, a second time there is nothing to do", async () => {
  const { driver } = await openDatabase();
  const first = await migrate(driver);
  expect(first.applied).toContain("0001_engine");
  expect(first.functions).toContain("exchange");
  expect(await migrate(driver)).toEqual({ applied: [], functions: [] });
  const recorded = await driver.query("select name from goalpost.migrations");
  expect(recorded).toHaveLength(first.applied.length + first.functions.length);
});

test("programs that migrate one database at once take turns, and each file is applied once", async () => {
  const { url } = await openDatabase();
  const reports = await Promise.all([1, 2, 3, 4].map(() => migrate(connect(url))));
  const applied = reports.flatMap((report) => report.applied);
  const functions = reports.flatMap((report) => report.functions);
  expect(new Set(applied).size).toBe(applied.length);
  expect(new Set(functions).size).toBe(functions.length);
  expect(applied).toContain("0001_engine");
});

test("clients that open an empty database at once all work", async () => {
  const { url } = await openDatabase();
  const clients = await Promise.all(
    [1, 2, 3].map(() => Goalpost.open({ database: url, logger: silentLogger })),
  );
  const w = workflow<number>("echo").step("echo", ({ run }) => run);
  const results = await Promise.all(clients.map((gp, index) => gp.execute(w, index)));
  expect(results.map((result) => result.output.echo)).toEqual([0, 1, 2]);
  await Promise.all(clients.map((gp) => gp.close()));
});

test("an applied file that has changed since is refused with INVALID_STATE, naming it", async () => {
  const { driver } = await openDatabase();
  await migrate(driver);
  await driver.query("update goalpost.migrations set checksum = 'another' where name = '0001_engine'");
  const error = await rejection(migrate(driver));
  expect(error).toMatchObject({
    code: "INVALID_STATE",
    message: expect.stringContaining("0001_engine"),
  });
});

test("a database that a newer version migrated is refused with DATABASE_AHEAD, and left alone", async () => {
  const { url, driver } = await openDatabase();
  await migrate(driver);
  await driver.query(
    "insert into goalpost.migrations (name, kind, checksum) values ('9999_future', 'table', 'x')",
  );
  await driver.query("update goalpost.migrations set checksum = 'newer' where name = 'exchange'");
  const error = await rejection(Goalpost.open({ database: url, logger: silentLogger }));
  expect(error).toMatchObject({
    code: "DATABASE_AHEAD",
    message: expect.stringContaining("9999_future"),
  });
  const [row] = await driver.query("select checksum from goalpost.migrations where name = 'exchange'");
  expect(row).toEqual({ checksum: "newer" });
});

test("a function whose text has changed is applied again, the others are not", async () => {
  const { driver } = await openDatabase();
  await migrate(driver);
  await driver.query("update goalpost.migrations set checksum = 'older' where name = 'read_ids'");
  await driver.query(
    "create or replace function goalpost.read_ids(_ids uuid[]) returns table (run_id uuid) language sql as 'select null::uuid'",
  );
  expect(await migrate(driver)).toEqual({ applied: [], functions: ["read_ids"] });
  const [row] = await driver.query<{ source: string }>(
    "select prosrc as source from pg_proc where proname = 'read_ids'",
  );
  expect(row?.source).toContain("unnest(_ids)");
});

test("a function with another signature is replaced, not joined", async () => {
  const { driver } = await openDatabase();
  await migrate(driver);
  await driver.query("drop function goalpost.read_ids(uuid[])");
  await driver.query("create function goalpost.read_ids(_old text) returns int language sql as 'select 1'");
  await driver.query("update goalpost.migrations set checksum = 'older' where name = 'read_ids'");
  await migrate(driver);
  const rows = await driver.query("select pronargs from pg_proc where proname = 'read_ids'");
  expect(rows).toHaveLength(1);
});

test("a function that there is no file for any more is dropped", async () => {
  const { driver } = await openDatabase();
  await migrate(driver);
  await driver.query("create function goalpost.old_one() returns int language sql as 'select 1'");
  await driver.query(
    "insert into goalpost.migrations (name, kind, checksum) values ('old_one', 'function', 'x')",
  );
  await migrate(driver);
  expect(await driver.query("select 1 from pg_proc where proname = 'old_one'")).toEqual([]);
  expect(await driver.query("select 1 from goalpost.migrations where name = 'old_one'")).toEqual([]);
});

test("a migration that fails leaves nothing behind and can be repeated", async () => {
  const { driver } = await openDatabase();
  const failing: Driver = {
    ...driver,
    script: async (sql, tx) => {
      await driver.script(sql, tx);
      throw new Error("the connection broke");
    },
  };
  await rejection(migrate(failing));
  expect(await driver.query("select tablename from pg_tables where schemaname = 'goalpost'")).toEqual([
    { tablename: "migrations" },
  ]);
  expect((await migrate(driver)).applied).toContain("0001_engine");
});
