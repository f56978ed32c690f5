import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { Goalpost, silentLogger, workflow } from "../../src/index.ts";
import { lockDirectory } from "../../src/store/directory-lock.ts";
import { openDriver } from "../../src/store/open-driver.ts";
import { makeDirectory } from "../contract/backends.ts";
import { rejection } from "../promises.ts";

let directory: string;

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-directory-"));
  directory = join(folder, "db");
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

/** A process that holds the lock until it is killed. */
async function holder(): Promise<ChildProcess> {
  const fixture = new URL("../fixtures/hold-lock.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "jiti/register", fixture, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  return child;
}

describe("the lock of a directory", () => {
  test("a second process is told who has it", async () => {
    const child = await holder();
    const error = await rejection(Goalpost.open({ database: `pglite:${directory}`, logger: silentLogger }));
    expect(error).toMatchObject({ code: "DATABASE_BUSY", details: { pid: child.pid } });
    expect(error.message).toContain(`process ${child.pid}`);
    expect(existsSync(directory)).toBe(false);
  });

  test("a dead owner's lock is taken over", async () => {
    const child = await holder();
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(`${directory}.lock`)).toBe(true);
    const release = lockDirectory(directory);
    expect(JSON.parse(readFileSync(`${directory}.lock`, "utf8"))).toMatchObject({ pid: process.pid });
    release();
    expect(existsSync(`${directory}.lock`)).toBe(false);
  });

  test("the lock of a process whose pid another has by now is taken over", () => {
    const owner = { pid: process.pid, host: hostname(), processStart: "1" };
    writeFileSync(`${directory}.lock`, JSON.stringify(owner));
    lockDirectory(directory)();
  });

  test("an owner on another host is taken for dead only after a while without a sign of life", () => {
    const file = `${directory}.lock`;
    writeFileSync(file, JSON.stringify({ pid: 1, host: "elsewhere", processStart: "1" }));
    expect(() => lockDirectory(directory)).toThrow(expect.objectContaining({ code: "DATABASE_BUSY" }));
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(file, longAgo, longAgo);
    lockDirectory(directory)();
  });

  test("a lock that is being written or broken counts as held at first", () => {
    writeFileSync(`${directory}.lock`, "");
    expect(() => lockDirectory(directory)).toThrow(expect.objectContaining({ code: "DATABASE_BUSY" }));
  });
});

describe("an embedded database in a directory", () => {
  beforeEach(() => makeDirectory(directory));

  const w = workflow<string>("kept").step("echo", ({ run }) => run);

  test("two clients of one process share it, and the last one closes it", async () => {
    const database = `pglite:${directory}`;
    const one = await Goalpost.open({ database, logger: silentLogger });
    const two = await Goalpost.open({ database, logger: silentLogger });
    const { runId } = await one.execute(w, "from one");
    expect(await two.runs.get(runId)).toMatchObject({ status: "completed", output: { echo: "from one" } });
    await one.close();
    expect((await two.execute(w, "from two")).output).toEqual({ echo: "from two" });
    await two.close();
    expect(existsSync(`${directory}.lock`)).toBe(false);
  });

  test("what was stored is there when it is opened again", async () => {
    const database = `pglite:${directory}`;
    const before = await Goalpost.open({ database, logger: silentLogger });
    const { runId } = await before.execute(w, "kept");
    await before.close();
    const after = await Goalpost.open({ database, logger: silentLogger });
    expect(await after.runs.get(runId)).toMatchObject({ output: { echo: "kept" } });
    await after.close();
  });

  test("a client that opens it while the last one closes it is given an open database", async () => {
    const database = `pglite:${directory}`;
    const first = await openDriver(database, silentLogger);
    const closing = first.driver.close();
    const second = await openDriver(database, silentLogger);
    await closing;
    expect(await second.driver.query("select 1 as one")).toEqual([{ one: 1 }]);
    await second.driver.close();
    expect(existsSync(`${directory}.lock`)).toBe(false);
  });

  test("a folder that holds no database says what is wrong, and is unlocked again", async () => {
    rmSync(directory, { recursive: true });
    writeFileSync(directory, "a file, not a folder");
    const opening = Goalpost.open({ database: `pglite:${directory}`, logger: silentLogger });
    expect(await rejection(opening)).toMatchObject({
      code: "DATABASE_UNAVAILABLE",
      message: expect.stringContaining(directory),
    });
    expect(existsSync(`${directory}.lock`)).toBe(false);
  });
});
