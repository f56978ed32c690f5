import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { Driver } from "../../src/core/driver.ts";
import { putBack } from "../../src/store/instances.ts";
import { createDatabase } from "../contract/backends.ts";
import { assertInvariants } from "../invariants.ts";
import { fireFlow, startFireWorker } from "./built-worker.ts";
import { ChildWorker } from "./children.ts";
import {
  assertEffects,
  connect,
  PATIENCE_MS,
  prepareDatabase,
  submit,
  TIMEOUT,
  untilAllEnded,
} from "./flow.ts";

/** What a killed worker held runs elsewhere after this long at most. */
const RESUMED_WITHIN_MS = 3000;
const WORKERS = 5;
const SURVIVORS = 2;
/** A task may be unlucky more often than a real one. */
const MAX_LOSSES = 50;

/** Stands for the survivors' finding out that a worker is gone. */
async function findOut(driver: Driver, worker: string): Promise<void> {
  await putBack(driver, { worker, status: "lost", maxLosses: MAX_LOSSES });
}

test(
  "workers killed at random under load lose nothing and repeat nothing that was completed",
  TIMEOUT,
  async () => {
    const url = await createDatabase();
    const driver = connect(url);
    await prepareDatabase(driver);
    const flow = fireFlow({ db: driver, worker: "" });
    const submitter = startFireWorker({ driver, id: crypto.randomUUID(), concurrency: 0, flow });
    onTestFinished(() => submitter.stop(0));

    const children = await Promise.all(Array.from({ length: WORKERS }, () => ChildWorker.start(url)));
    const runs: Promise<string>[] = [];
    const load = setInterval(() => runs.push(submit(submitter, driver, flow)), 15);
    while (children.length > SURVIVORS) {
      await sleep(200 + Math.random() * 600);
      const [victim] = children.splice(Math.floor(Math.random() * children.length), 1);
      await driver.query("insert into fire.kills values ($1)", [victim?.id]);
      await victim?.kill();
      await findOut(driver, victim?.id ?? "");
    }
    clearInterval(load);
    await Promise.all(runs);
    await untilAllEnded(driver, PATIENCE_MS);

    const statuses = await driver.query(
      "select status, count(*)::int as count from goalpost.runs group by status",
    );
    expect(statuses).toEqual([{ status: "completed", count: runs.length }]);
    await assertInvariants(driver);
    await assertEffects(driver);
    const [lost] = await driver.query<{ count: number; slowest: number }>(
      `select count(*)::int as count, coalesce(max(extract(epoch from b.at - k.at) * 1000), 0)::float as slowest
     from goalpost.attempts a join fire.kills k on k.worker = a.worker
     join goalpost.runs r on r.id = a.run_id
     join goalpost.steps s on s.definition_id = r.definition_id and s.position = a.position
     cross join lateral (select min(at) as at from fire.begun where run_id = a.run_id and task = s.name
       and at > k.at) b where a.outcome = 'lost'`,
    );
    expect(lost?.count).toBeGreaterThan(0);
    expect(lost?.slowest).toBeLessThanOrEqual(RESUMED_WITHIN_MS);
  },
);
