import { Goalpost, silentLogger } from "goalpost";
import { inFlight, quantile, time } from "./statistics.ts";
import { runThreeSteps } from "./three-steps.ts";

/** How fast three-step runs are on one database. */
export interface RunFigures {
  readonly runsPerSecond: number;
  /** One run alone, from the call to its result. */
  readonly p50Ms: number;
  readonly p95Ms: number;
}

export interface MeasureOptions {
  readonly runs: number;
  /** Runs at once. */
  readonly concurrency: number;
}

const ROUNDS = 3;
const LATENCY_RUNS = 200;

/** The median of three rounds of throughput, then the latency of single runs; every result is checked. */
export async function measureRuns(database: string, options: MeasureOptions): Promise<RunFigures> {
  const { runs, concurrency } = options;
  const gp = await Goalpost.open({
    database,
    logger: silentLogger,
    workers: { concurrency: concurrency * 2 },
  });
  const run = (x: number): Promise<void> => runThreeSteps(gp, x);
  try {
    await inFlight({ count: Math.ceil(runs / 10), concurrency }, run);
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const took = await time(() => inFlight({ count: runs, concurrency }, run));
      rates.push(runs / (took / 1000));
    }
    const latencies: number[] = [];
    for (let x = 0; x < LATENCY_RUNS; x++) {
      latencies.push(await time(() => run(x)));
    }
    return {
      runsPerSecond: Math.round(quantile(rates, 0.5)),
      p50Ms: Number(quantile(latencies, 0.5).toFixed(2)),
      p95Ms: Number(quantile(latencies, 0.95).toFixed(2)),
    };
  } finally {
    await gp.close();
  }
}
