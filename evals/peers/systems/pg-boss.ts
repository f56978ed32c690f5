import { PgBoss } from "pg-boss";
import { Pending } from "../pending.ts";
import type { System } from "../system.ts";

interface Data {
  readonly id: number;
  readonly value: number;
}

const BATCH = 50;

/** A job queue: a run is a chain of three jobs, moved on a batch at a time. NOTIFY wakes its workers. */
export const system: System = {
  inFlight: 100,
  async open(database) {
    const boss = new PgBoss({ connectionString: database, max: 20, useListenNotify: true });
    boss.on("error", (error) => console.error(error));
    await boss.start();
    for (const queue of ["a", "b", "c"]) {
      await boss.createQueue(queue, { notify: true });
    }
    const pending = new Pending();
    const options = { batchSize: BATCH, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };
    const moveOn =
      (to: string, change: (value: number) => number) => async (jobs: readonly { data: Data }[]) => {
        await boss.insert(
          to,
          jobs.map(({ data: { id, value } }) => ({ data: { id, value: change(value) } })),
        );
      };
    await boss.work(
      "a",
      options,
      moveOn("b", (value) => value + 1),
    );
    await boss.work(
      "b",
      options,
      moveOn("c", (value) => value * 2),
    );
    await boss.work("c", options, async (jobs: readonly { data: Data }[]) => {
      for (const { data } of jobs) {
        pending.done(data.id, data.value + 1);
      }
    });
    return {
      run: (x) => pending.run((id) => boss.send("a", { id, value: x })),
      close: () => boss.stop({ graceful: false }),
    };
  },
};
