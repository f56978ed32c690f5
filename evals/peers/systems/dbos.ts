import { DBOS } from "@dbos-inc/dbos-sdk";
import type { System } from "../system.ts";

/** Workflows are called directly, not through a queue: the fastest way DBOS has. */
export const system: System = {
  inFlight: 50,
  async open(database) {
    DBOS.setConfig({
      name: "peers",
      systemDatabaseUrl: database,
      systemDatabasePoolSize: 20,
      logLevel: "error",
    });
    const three = DBOS.registerWorkflow(
      async (x: number) => {
        const a = await DBOS.runStep(async () => x + 1, { name: "a" });
        const b = await DBOS.runStep(async () => a * 2, { name: "b" });
        return DBOS.runStep(async () => b + 1, { name: "c" });
      },
      { name: "three_steps" },
    );
    await DBOS.launch();
    return { run: (x) => three(x), close: () => DBOS.shutdown() };
  },
};
