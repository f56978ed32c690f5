import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { makeDirectory } from "../contract/backends.ts";

const fixture = new URL("../fixtures/chain-goal.ts", import.meta.url).pathname;

test("a goal whose process is killed goes on where it was, and repeats nothing that was finished", {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-crash-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  makeDirectory(join(folder, "db"));
  const effectsFile = join(folder, "effects");
  const effects = (): string[] =>
    existsSync(effectsFile) ? readFileSync(effectsFile, "utf8").trim().split("\n") : [];

  const start = (hangAt?: string) => {
    const args = ["--import", "jiti/register", fixture, `pglite:${join(folder, "db")}`, effectsFile];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...(hangAt && { HANG_AT: hangAt }) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk;
    });
    return { child, ended: once(child, "close").then(() => out) };
  };

  /** Runs a process until the task has begun that it hangs at, and kills it there. */
  const killAt = async (id: string): Promise<void> => {
    const before = effects().length;
    const { child, ended } = start(id);
    await vi.waitFor(() => expect(effects().slice(before)).toContain(id), { timeout: 30_000, interval: 20 });
    child.kill("SIGKILL");
    await ended;
  };

  // A task begins when the output of the one before is stored: what is before the kill is finished.
  await killAt("t3");
  await killAt("t6");
  const report = JSON.parse(await start().ended);
  expect(effects()).toEqual(["plan", "t0", "t1", "t2", "t3", "t3", "t4", "t5", "t6", "t6", "t7", "t8"]);
  expect(report).toMatchObject({
    resumed: "taken over",
    output: { t8: ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"] },
    attempts: [1, 1, 1, 1, 1, 1, 1, 1, 1],
    lost: ["t3", "t6"],
  });
});
