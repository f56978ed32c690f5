import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { migrate } from "../src/store/migrate.ts";
import { createPgliteDriver } from "../src/store/pglite-driver.ts";
import { startServer } from "./server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A PostgreSQL server's maintenance database; test/contract/backends.ts makes databases beside it. */
    databaseUrl: string;
    /** What the names of databases made by the tests begin with. */
    databasePrefix: string;
    /** A migrated PGlite database, as a folder and as a tar file: made once, because that takes some seconds. */
    pgliteTemplate: { readonly directory: string; readonly tar: string };
  }
}

/** Provides every test file with a PostgreSQL server: GOALPOST_TEST_DATABASE_URL, else one that lives as long as the tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-test-"));
  chmodSync(folder, 0o755);
  project.provide("pgliteTemplate", await makePgliteTemplate(folder));
  const given = process.env.GOALPOST_TEST_DATABASE_URL;
  const server = given ? undefined : await startServer(folder, ["fsync=off"]);
  const prefix = `goalpost_test_${process.pid}_`;
  project.provide("databaseUrl", given ?? server?.url ?? "");
  project.provide("databasePrefix", prefix);
  return async () => {
    await (given ? dropDatabases(given, prefix) : server?.stop());
    rmSync(folder, { recursive: true, force: true });
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
