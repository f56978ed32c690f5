// By its path: a package finds itself by name only from the folders that its own package.json rules.
import { Goalpost, silentLogger, workflow } from "../../../dist/index.js";
import type { System } from "../system.ts";

const three = workflow<{ x: number }>("three_steps")
  .step("a", async ({ run }) => run.x + 1)
  .step("b", { after: ["a"] }, async ({ a }) => a * 2)
  .step("c", { after: ["b"] }, async ({ b }) => b + 1);

export const system: System = {
  inFlight: 100,
  async open(database) {
    const gp = await Goalpost.open({ database, logger: silentLogger, workers: { concurrency: 200 } });
    return {
      run: async (x) => (await gp.execute(three, { x })).output.c,
      close: () => gp.close(),
    };
  },
};
