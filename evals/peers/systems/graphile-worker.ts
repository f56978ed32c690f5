import { Logger, run } from "graphile-worker";
import { Pending } from "../pending.ts";
import type { System } from "../system.ts";

interface Payload {
  readonly id: number;
  readonly value: number;
}

const silent = new Logger(() => () => undefined);

/** A job queue: a run is a chain of three jobs, each of which adds the next. */
export const system: System = {
  inFlight: 100,
  async open(database) {
    const pending = new Pending();
    const runner = await run({
      connectionString: database,
      concurrency: 50,
      maxPoolSize: 20,
      noHandleSignals: true,
      // Jobs that are done are completed together, without waiting for more. A local queue only slowed this work.
      preset: { worker: { completeJobBatchDelay: 0 } },
      logger: silent,
      taskList: {
        a: async (payload, { addJob }) => {
          const { id, value } = payload as Payload;
          await addJob("b", { id, value: value + 1 });
        },
        b: async (payload, { addJob }) => {
          const { id, value } = payload as Payload;
          await addJob("c", { id, value: value * 2 });
        },
        c: async (payload) => {
          const { id, value } = payload as Payload;
          pending.done(id, value + 1);
        },
      },
    });
    return {
      run: (x) => pending.run((id) => runner.addJob("a", { id, value: x })),
      close: () => runner.stop(),
    };
  },
};
