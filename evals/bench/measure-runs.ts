import { Goalpost, silentLogger, workflow } from "goalpost";

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

const three = workflow<{ x: number }>("three_steps")
  .step("a", async ({ run }) => run.x + 1)
  .step("b", { after: ["a"] }, async ({ a }) => a * 2)
  .step("c", { after: ["b"] }, async ({ b }) => b + 1);

/** The median of three rounds of throughput, then the latency of single runs; every result is checked. */
export async function measureRuns(database: string, options: MeasureOptions): Promise<RunFigures> {
  const gp = await Goalpost.open({
    database,
    logger: silentLogger,
    workers: { concurrency: options.concurrency * 2 },
  });
  try {
    await runMany(gp, { ...options, runs: Math.ceil(options.runs / 10) });
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const begin = performance.now();
      await runMany(gp, options);
      rates.push(options.runs / ((performance.now() - begin) / 1000));
    }
    const latencies = await measureLatency(gp);
    return {
      runsPerSecond: Math.round(quantile(rates, 0.5)),
      p50Ms: Number(quantile(latencies, 0.5).toFixed(2)),
      p95Ms: Number(quantile(latencies, 0.95).toFixed(2)),
    };
  } finally {
    await gp.close();
  }
}

async function runMany(gp: Goalpost, { runs, concurrency }: MeasureOptions): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < runs) {
      await runOne(gp, next++);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

async function runOne(gp: Goalpost, x: number): Promise<void> {
  const { output } = await gp.execute(three, { x });
  if (output.c !== (x + 1) * 2 + 1) {
    throw new Error(`run ${x} returned ${JSON.stringify(output)}`);
  }
}

async function measureLatency(gp: Goalpost): Promise<number[]> {
  const latencies: number[] = [];
  for (let x = 0; x < LATENCY_RUNS; x++) {
    const begin = performance.now();
    await runOne(gp, x);
    latencies.push(performance.now() - begin);
  }
  return latencies;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
}
