import { Goalpost, silentLogger } from "goalpost";
import { exposeCollector } from "./collector.ts";
import type { BenchContext } from "./section.ts";
import { inFlight, round } from "./statistics.ts";
import { runThreeSteps } from "./three-steps.ts";
import { withDatabase } from "./with-postgres.ts";

export interface MemoryFigures {
  /** The heap in use after a collection, from the first interval on; flat if nothing is kept of finished runs. */
  readonly samples: readonly { readonly runs: number; readonly heapMb: number }[];
}

const INTERVALS = 10;

/** One process that goes on and on: 200,000 runs, the heap looked at ten times. */
export function measureMemory({ server, size }: BenchContext): Promise<MemoryFigures> {
  const collect = exposeCollector();
  const interval = size(20_000);
  return withDatabase(server, async (database) => {
    const gp = await Goalpost.open({ database, logger: silentLogger, workers: { concurrency: 200 } });
    const samples: { runs: number; heapMb: number }[] = [];
    try {
      for (let done = 1; done <= INTERVALS; done++) {
        await inFlight({ count: interval, concurrency: 100 }, (x) => runThreeSteps(gp, x));
        collect();
        samples.push({ runs: done * interval, heapMb: round(process.memoryUsage().heapUsed / 2 ** 20) });
      }
      return { samples };
    } finally {
      await gp.close();
    }
  });
}
