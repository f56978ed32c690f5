import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import { Goalpost, silentLogger } from "../../src/index.ts";
import { openDriver } from "../../src/store/open-driver.ts";
import { createDatabase } from "../contract/backends.ts";
import { diamond } from "../fixtures/diamond.ts";
import { assertInvariants } from "../invariants.ts";
import { killProcess, startProcess } from "./start-process.ts";

const fixture = new URL("../fixtures/plain-runs.ts", import.meta.url).pathname;

/** How often each step of a run was carried out, by "run step". */
function readNotes(file: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []) {
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return counts;
}

test("a process killed with fifty plain runs under way loses nothing that was settled, and what it left goes on by a retry", {
  timeout: 180_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-compact-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "notes");
  const database = await createDatabase({ template: inject("postgresTemplate") });
  for (const lines of [1, 2, 3]) {
    await killProcess(await startProcess(fixture, [database, file], lines));
  }
  const done = readNotes(file);
  expect(Math.max(...done.values())).toBe(1);

  const { driver } = await openDriver(database, silentLogger);
  onTestFinished(() => driver.close());
  await using gp = await Goalpost.open({ database, logger: silentLogger });
  const again: string[] = [];
  gp.register({ workflows: [diamond((runId, step) => again.push(`${runId} ${step}`))] });
  // Found lost by its lock: what the three held is rows then, and nobody's.
  await expect
    .poll(async () => (await gp.instances.list()).filter(({ status }) => status === "online").length, {
      timeout: 20_000,
    })
    .toBe(1);
  await assertInvariants(driver);
  const left: string[] = [];
  for (let after: string | undefined, full = true; full; ) {
    const runs = await gp.runs.list({ workflow: "diamond", limit: 500, ...(after && { after }) });
    for (const { id: runId, status } of runs) {
      if (status !== "completed") {
        left.push(runId);
      }
    }
    full = runs.length === 500;
    after = runs.at(-1)?.id;
  }
  expect(left.length).toBeGreaterThan(0);
  expect(left.length).toBeLessThanOrEqual(150);
  for (const runId of left) {
    const settled = (await gp.runs.get(runId)).tasks.filter(({ status }) => status === "completed");
    expect(settled.filter(({ id }) => !done.has(`${runId} ${id}`))).toEqual([]);
    await gp.runs.cancel(runId, { reason: "its process is gone" });
    const retry = await gp.runs.retry(runId);
    expect((await gp.runs.wait(retry)).output).toEqual({ last: expect.any(Number) });
    expect(again.filter((line) => settled.some(({ id }) => line === `${retry} ${id}`))).toEqual([]);
  }
  await assertInvariants(driver);
});
