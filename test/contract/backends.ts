import { cpSync } from "node:fs";
import pg from "pg";
import { afterAll, beforeAll, describe, inject, onTestFinished } from "vitest";
import type { Driver, Row } from "../../src/core/driver.ts";
import { type Database, Goalpost, type OpenOptions, silentLogger } from "../../src/index.ts";
import { migrate } from "../../src/store/migrate.ts";
import { createPgDriver } from "../../src/store/pg-driver.ts";
import { createPgliteDriver } from "../../src/store/pglite-driver.ts";
import { openTestGoalpost, type TestGoalpost, type TestGoalpostOptions } from "../../src/testing/index.ts";
import { emptyTables } from "./empty-tables.ts";
import { borrowPglite } from "./shared-pglite.ts";

interface OpenedBackend {
  readonly database: Database;
  readonly driver: Driver;
  readonly close: () => Promise<void>;
}

/** One database that the tests of a `describe` share, empty at its start. Each test has clients of its own: their runs do not meet. */
export class Backend {
  readonly name: string;
  readonly #open: () => Promise<OpenedBackend>;
  #opened: OpenedBackend | undefined;

  constructor(name: string, open: () => Promise<OpenedBackend>) {
    this.name = name;
    this.#open = open;
  }

  async start(): Promise<void> {
    this.#opened = await this.#open();
    await migrate(this.#opened.driver);
  }

  async stop(): Promise<void> {
    await this.#opened?.close();
  }

  get database(): Database {
    return this.#started.database;
  }

  get driver(): Driver {
    return this.#started.driver;
  }

  get #started(): OpenedBackend {
    if (!this.#opened) {
      throw new Error("the backend is open only while tests run");
    }
    return this.#opened;
  }

  /** A client that ticks and has a fake clock, closed when the test is over. */
  async client(options: TestGoalpostOptions = {}): Promise<TestGoalpost> {
    const client = await openTestGoalpost({ database: this.database, ...options });
    onTestFinished(() => client.close());
    return client;
  }

  /** A client as users have it, closed when the test is over. */
  async liveClient(options: OpenOptions = {}): Promise<Goalpost> {
    const gp = await Goalpost.open({ database: this.database, logger: silentLogger, ...options });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    return gp;
  }

  query<R extends Row = Row>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return this.driver.query<R>(text, values);
  }

  /** How many rows of a run's tasks have each status, the hidden ones included. */
  async countByStatus(runId: string): Promise<Record<string, number>> {
    const rows = await this.query<{ status: string; count: number }>(
      "select status, count(*)::int as count from goalpost.tasks_of($1::uuid) group by status",
      [runId],
    );
    return Object.fromEntries(rows.map((row) => [row.status, row.count]));
  }
}

async function openPglite(): Promise<OpenedBackend> {
  const { db, giveBack } = await borrowPglite();
  return { database: db, driver: createPgliteDriver(db, async () => undefined), close: giveBack };
}

/** One for each process that runs tests; its files, one after the other, begin with empty tables. */
let sharedPostgres: Promise<string> | undefined;

async function openPostgres(): Promise<OpenedBackend> {
  sharedPostgres ??= createDatabase({ template: inject("postgresTemplate") });
  const pool = new pg.Pool({ connectionString: await sharedPostgres, max: 20 });
  const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
  await emptyTables(driver);
  return { database: pool, driver, close: () => pool.end() };
}

/** Puts a migrated PGlite database into a folder that is not there yet. */
export function makeDirectory(directory: string): void {
  cpSync(inject("pgliteTemplate").directory, directory, { recursive: true });
}

/** Makes a PostgreSQL database, empty or like the template, and returns its address. */
export async function createDatabase({ template = "template1" } = {}): Promise<string> {
  const name = `${inject("databasePrefix")}${Math.random().toString(36).slice(2)}`;
  const admin = new pg.Client({ connectionString: inject("databaseUrl") });
  await admin.connect();
  await admin.query(`create database ${name} template ${template}`);
  await admin.end();
  const url = new URL(inject("databaseUrl"));
  url.pathname = name;
  return url.href;
}

/** Runs the same tests on the embedded database and on PostgreSQL. */
export function describeOnEachBackend(name: string, define: (backend: Backend) => void): void {
  for (const backend of [new Backend("PGlite", openPglite), new Backend("PostgreSQL", openPostgres)]) {
    describe(`${name} on ${backend.name}`, () => {
      beforeAll(() => backend.start());
      afterAll(() => backend.stop());
      define(backend);
    });
  }
}
