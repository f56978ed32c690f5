import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { resumeRun } from "../../src/store/run-actions.ts";
import { createDatabase } from "../contract/backends.ts";
import { diamond } from "../contract/sql-worker.ts";
import { assertInvariants } from "../invariants.ts";
import { Actor, Ledger } from "./actors.ts";
import { loose } from "./built-worker.ts";
import { connect, prepareDatabase, TIMEOUT } from "./flow.ts";
import { seededRandom } from "./seed.ts";

const ACTORS = 6;
/** Rounds of acting at most. */
const ROUNDS = 6;
const ACTING_MS = 4000;

/** `width` steps that one join waits for. */
function fan(width: number) {
  const parts = Array.from({ length: width }, (_, index) => `part${index}`);
  return parts
    .reduce((built, part) => built.step(part, () => 0), loose(`fan${width}`))
    .step("join", { after: parts }, () => 0);
}

/** A map, one with a limit over it, and a step that may be skipped with what follows. */
const mapped = loose("mapped")
  .step("list", () => [])
  .map("each", { over: "list" }, () => 0)
  .map("few", { over: "each", concurrency: 2 }, () => 0)
  .step("maybe", { after: ["list"], when: () => true }, () => 0)
  .step("last", { after: ["few", "maybe"] }, () => 0);

test(
  "whatever workers and users do at once, every rule holds at every moment, and every run can end",
  TIMEOUT,
  async () => {
    const url = await createDatabase();
    const driver = connect(url);
    await prepareDatabase(driver);
    const random = seededRandom();
    const ledger = new Ledger();
    const lane = randomUUID();
    const workflows = [diamond, fan(6), mapped];
    const actors = Array.from(
      { length: ACTORS },
      () => new Actor({ driver: connect(url, 2), lane, random, ledger, workflows }),
    );
    const happened = ["started", "completed", "repeated", "cancelled", "paused", "resumed", "put back"];
    const rare = (): string[] => happened.filter((what) => (ledger.counts[what] ?? 0) < 5);
    // On a slow machine one round is too short for everything to happen.
    for (let round = 0; round < ROUNDS && (round === 0 || rare().length > 0); round++) {
      const until = performance.now() + ACTING_MS;
      await Promise.all(actors.map((actor) => actor.act(until)));
    }
    await assertInvariants(driver, { instances: false });

    for (const run of ledger.runs) {
      await resumeRun(driver, run);
    }
    for (const worker of ledger.workers) {
      await driver.query("select goalpost.put_back($1::uuid, 'lost', 1000)", [worker]);
    }
    await driver.query("update goalpost.ready set key = 0 where lane = '@'");
    await new Actor({ driver, lane, random, ledger, workflows }).finish();
    const left = await driver.query("select id, status from goalpost.runs where finished_at is null");
    expect(left).toEqual([]);
    await assertInvariants(driver, { instances: false });
    expect(rare()).toEqual([]);
  },
);
