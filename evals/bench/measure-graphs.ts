import { Goalpost, silentLogger, type TaskSpec } from "goalpost";
import { compareSizes, type GrowthFigures } from "./compare-sizes.ts";
import type { BenchContext } from "./section.ts";
import { time } from "./statistics.ts";
import { withDatabase } from "./with-postgres.ts";

export interface GraphFigures {
  /** All tasks at once, and one that is given all their outputs. */
  readonly wide: GrowthFigures;
  /** Ten at a time, each after two of the ten before. */
  readonly deep: GrowthFigures;
}

const WIDTH = 10;

/** Planned graphs of 100 and of 10,000 tasks, from the call to the result, planning included. */
export function measureGraphs({ server, size }: BenchContext): Promise<GraphFigures> {
  return withDatabase(server, async (database) => {
    const gp = await Goalpost.open({ database, logger: silentLogger, workers: { concurrency: 200 } });
    const counts = { small: 100, large: Math.max(200, size(10_000)) };
    try {
      return {
        wide: await compareSizes(counts, (count) => time(() => runGraph(gp, makeWide(count)))),
        deep: await compareSizes(counts, (count) => time(() => runGraph(gp, makeDeep(count)))),
      };
    } finally {
      await gp.close();
    }
  });
}

async function runGraph(gp: Goalpost, tasks: readonly TaskSpec[]): Promise<void> {
  const { outputs } = await gp.executeGraph(tasks, { add: (input) => Object.keys(input).length });
  const there = Object.keys(outputs).length;
  if (there !== tasks.length) {
    throw new Error(`a graph of ${tasks.length} tasks has ${there} outputs`);
  }
}

function makeWide(count: number): TaskSpec[] {
  const leaves = Array.from({ length: count - 1 }, (_, i) => task(i, []));
  return [
    ...leaves,
    task(
      count - 1,
      leaves.map(({ id }) => id),
    ),
  ];
}

function makeDeep(count: number): TaskSpec[] {
  return Array.from({ length: count }, (_, i) => {
    const level = i - (i % WIDTH) - WIDTH;
    const above = level < 0 ? [] : [`t${level + (i % WIDTH)}`, `t${level + ((i + 1) % WIDTH)}`];
    return task(i, above);
  });
}

function task(index: number, dependsOn: string[]): TaskSpec {
  return { id: `t${index}`, description: `task ${index}`, step: "add", dependsOn };
}
