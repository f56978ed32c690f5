import { OpenWorkflow } from "openworkflow";
import { BackendPostgres } from "openworkflow/postgres";
import { Pending } from "../pending.ts";
import type { System } from "../system.ts";

/** Its polling interval (100 ms, doubling to 1 s when idle) cannot be set; its latency alone is that interval. */
export const system: System = {
  inFlight: 100,
  async open(database) {
    const backend = await BackendPostgres.connect(database);
    const ow = new OpenWorkflow({ backend });
    const pending = new Pending();
    const three = ow.defineWorkflow<{ id: number; x: number }, number>(
      { name: "three_steps" },
      async ({ input, step }) => {
        const a = await step.run({ name: "a" }, () => input.x + 1);
        const b = await step.run({ name: "b" }, () => a * 2);
        const c = await step.run({ name: "c" }, () => b + 1);
        pending.done(input.id, c);
        return c;
      },
    );
    const worker = ow.newWorker({ concurrency: 50 });
    await worker.start();
    return {
      run: (x) => pending.run((id) => three.run({ id, x })),
      async close() {
        await worker.stop();
        await backend.stop();
      },
    };
  },
};
