import { Goalpost, silentLogger, workflow } from "goalpost";
import { compareSizes, type GrowthFigures } from "./compare-sizes.ts";
import type { BenchContext } from "./section.ts";
import { time } from "./statistics.ts";
import { withDatabase } from "./with-postgres.ts";

const each = workflow<number[]>("map_items").map("each", async (item) => item);

/** A map over 100 and over 10,000 items of the run's input. */
export async function measureMap({ server, size }: BenchContext): Promise<GrowthFigures> {
  return withDatabase(server, async (database) => {
    const gp = await Goalpost.open({ database, logger: silentLogger, workers: { concurrency: 200 } });
    const counts = { small: 100, large: Math.max(200, size(10_000)) };
    try {
      return await compareSizes(counts, (count) => time(() => runMap(gp, count)));
    } finally {
      await gp.close();
    }
  });
}

async function runMap(gp: Goalpost, count: number): Promise<void> {
  const items = Array.from({ length: count }, (_, i) => i);
  const { output } = await gp.execute(each, items);
  if (output.each.length !== count || output.each.at(-1) !== count - 1) {
    throw new Error(`a map over ${count} items returned ${output.each.length}`);
  }
}
