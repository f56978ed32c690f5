import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { silentLogger } from "../src/core/logger.ts";
import { migrate } from "../src/store/migrate.ts";
import { createPgDriver } from "../src/store/pg-driver.ts";
import { createPgliteDriver } from "../src/store/pglite-driver.ts";
import { startServer } from "./server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A PostgreSQL server's maintenance database; test/contract/backends.ts makes databases beside it. */
    databaseUrl: string;
    /** What the names of databases made by the tests begin with. */
    databasePrefix: string;
    /** The name of a migrated PostgreSQL database to copy. */
    postgresTemplate: string;
    /** A migrated PGlite database, as a folder and as a tar file: made once, because that takes some seconds. */
    pgliteTemplate: { readonly directory: string; readonly tar: string };
  }
}

/** Provides every test file with a PostgreSQL server: GOALPOST_TEST_DATABASE_URL, else one that lives as long as the tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-test-"));
  chmodSync(folder, 0o755);
  const given = process.env.GOALPOST_TEST_DATABASE_URL;
  const [pglite, server] = await Promise.all([
    makePgliteTemplate(folder),
    given ? undefined : startServer(folder, ["fsync=off"]),
  ]);
  const url = given ?? server?.url ?? "";
  const prefix = `goalpost_test_${process.pid}_`;
  project.provide("pgliteTemplate", pglite);
  project.provide("databaseUrl", url);
  project.provide("databasePrefix", prefix);
  project.provide("postgresTemplate", await makePostgresTemplate(url, `${prefix}template`));
  return async () => {
    await (given ? dropDatabases(given, prefix) : server?.stop());
    // Tens of thousands of files: the workers are let go meanwhile.
    await rm(folder, { recursive: true, force: true });
  };
}

/** A server that was given is left as it was. */
async function dropDatabases(url: string, prefix: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ name: string }>(
    "select datname as name from pg_database where starts_with(datname, $1)",
    [prefix],
  );
  for (const { name } of rows) {
    await client.query(`drop database ${name} with (force)`);
  }
  await client.end();
}

async function makePgliteTemplate(folder: string): Promise<{ directory: string; tar: string }> {
  const directory = join(folder, "pglite");
  const tar = join(folder, "pglite.tar");
  const db = await PGlite.create({ dataDir: directory });
  await migrate(createPgliteDriver(db as never, async () => undefined));
  const dump = await db.dumpDataDir("none");
  writeFileSync(tar, Buffer.from(await dump.arrayBuffer()));
  await db.close();
  return { directory, tar };
}

/** Nobody may be connected to a database that is copied: its pool is closed at once. */
async function makePostgresTemplate(serverUrl: string, name: string): Promise<string> {
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = name;
  const pool = new pg.Pool({ connectionString: url.href });
  await migrate(createPgDriver(pool, { logger: silentLogger, ownsPool: false }));
  await pool.end();
  return name;
}
