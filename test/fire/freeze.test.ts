import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test, vi } from "vitest";
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

const RUNS = 6;

test(
  "a worker frozen for longer than its lease is refused when it goes on, and works again",
  TIMEOUT,
  async () => {
    const url = await createDatabase();
    const driver = connect(url);
    await prepareDatabase(driver);
    const frozen = await ChildWorker.start(url, { HOLD: "yes" });
    const id = randomUUID();
    const flow = fireFlow({ db: driver, worker: id });
    const submitter = startFireWorker({ driver, id: randomUUID(), concurrency: 0, flow });
    onTestFinished(() => submitter.stop(0));
    for (let run = 0; run < RUNS; run++) {
      await submit(submitter, driver, flow);
    }
    const begunBy = async (worker: string): Promise<number> =>
      (await driver.query("select 1 from fire.begun where worker = $1", [worker])).length;
    const settled = (): Promise<unknown> =>
      driver.query(
        `select run_id, position, worker, delivery, losses, finished_at, output->>'execution' as execution
       from goalpost.tasks order by 1, 2`,
      );

    await vi.waitFor(async () => expect(await begunBy(frozen.id)).toBe(RUNS), PATIENCE_MS);
    frozen.freeze();
    // What the survivors do when the lease is over.
    expect(await putBack(driver, { worker: frozen.id, status: "lost", maxLosses: 5 })).toBe(RUNS);
    const other = startFireWorker({ driver, id, concurrency: 6, flow });
    onTestFinished(() => other.stop(0));
    await untilAllEnded(driver, PATIENCE_MS);
    await other.stop(1000);
    const before = await settled();

    await driver.query("insert into fire.gate values (true)");
    frozen.thaw();
    const refused = "a result came too late and was refused";
    await vi.waitFor(() => expect(frozen.logged(refused)).toBe(RUNS), PATIENCE_MS);
    expect(await settled()).toEqual(before);
    await assertInvariants(driver);

    await submit(submitter, driver, flow);
    await untilAllEnded(driver, PATIENCE_MS);
    expect(await begunBy(frozen.id)).toBe(RUNS + 7);
    const statuses = await driver.query("select distinct status from goalpost.runs");
    expect(statuses).toEqual([{ status: "completed" }]);
    await assertInvariants(driver);
    await assertEffects(driver);
  },
);
