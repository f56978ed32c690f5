import { Goalpost, silentLogger, type Workflow, workflow } from "goalpost";
import { compareSizes, type GrowthFigures } from "./compare-sizes.ts";
import type { BenchContext } from "./section.ts";
import { time } from "./statistics.ts";
import { withDatabase } from "./with-postgres.ts";

type Each = Workflow<number[], { each: number[] }>;

interface MapBuilder {
  map(name: "each", options: object, execute: (item: number) => Promise<number>): Each;
}

/** Undefined as long as the builder has no map. */
function makeEach(): Each | undefined {
  const builder: object = workflow<number[]>("map_items");
  return "map" in builder ? (builder as MapBuilder).map("each", {}, async (item) => item) : undefined;
}

/** A map over 100 and over 10,000 items of the run's input; null if there are no maps yet. */
export async function measureMap({ server, size }: BenchContext): Promise<GrowthFigures | null> {
  const each = makeEach();
  if (!each) {
    return null;
  }
  return withDatabase(server, async (database) => {
    const gp = await Goalpost.open({ database, logger: silentLogger, workers: { concurrency: 200 } });
    const counts = { small: 100, large: Math.max(200, size(10_000)) };
    try {
      return await compareSizes(counts, (count) => time(() => runMap(gp, each, count)));
    } finally {
      await gp.close();
    }
  });
}

async function runMap(gp: Goalpost, each: Each, count: number): Promise<void> {
  const items = Array.from({ length: count }, (_, i) => i);
  const { output } = await gp.execute(each, items);
  if (output.each.length !== count || output.each.at(-1) !== count - 1) {
    throw new Error(`a map over ${count} items returned ${output.each.length}`);
  }
}
