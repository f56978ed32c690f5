// One measurement of one system, in a process of its own: measure.ts NAME '{ database, absurdSchema, seconds }'.
// The figures go to the parent as a message; what the system writes to standard output is the parent's to redirect.
import { expected, type OpenedSystem, type OpenSystemOptions, type System } from "./system.ts";

export interface MeasureOptions extends OpenSystemOptions {
  readonly database: string;
  /** How long throughput is measured, at least. */
  readonly seconds: number;
}

/** What one process measured. */
export interface Figures {
  readonly runsPerSecond: number;
  /** Each sample is one run alone, from the call to its end. */
  readonly latenciesMs: readonly number[];
}

/** What the process tells its parent. */
export type Message = { readonly figures: Figures } | { readonly error: string };

const WARM_UP = { runs: 300, ms: 1000, alone: 10 };
/** Runs that count, however fast they are over. */
const LEAST_RUNS = 300;
const LATENCY_SAMPLES = 50;

// A parent that was stopped leaves no measurement behind.
process.once("disconnect", () => process.exit(1));

const message: Message = await measure().then(
  (figures) => ({ figures }),
  (error: unknown) => ({ error: describe(error) }),
);
await new Promise((resolve) => process.send?.(message, resolve));
// Not left to the event loop: some systems leave timers or connections behind.
process.exit(0);

async function measure(): Promise<Figures> {
  const [name, options] = process.argv.slice(2);
  const { system } = (await import(`./systems/${name}.ts`)) as { system: System };
  const { database, seconds, ...openOptions } = JSON.parse(options ?? "{}") as MeasureOptions;
  const { inFlight } = system;
  const opened = await system.open(database, openOptions);
  await runFor(opened, { inFlight, runs: WARM_UP.runs, ms: WARM_UP.ms });
  const runsPerSecond = await runFor(opened, { inFlight, runs: LEAST_RUNS, ms: seconds * 1000 });
  await measureAlone(opened, WARM_UP.alone);
  const latenciesMs = await measureAlone(opened, LATENCY_SAMPLES);
  await opened.close();
  return { runsPerSecond, latenciesMs };
}

/** An error with its causes, without their stacks. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}

/** Keeps that many runs in flight until both the runs and the time are reached; returns the runs per second. */
async function runFor(
  target: OpenedSystem,
  { inFlight, runs, ms }: { inFlight: number; runs: number; ms: number },
): Promise<number> {
  const begin = performance.now();
  let started = 0;
  const keepRunning = async (): Promise<void> => {
    while (started < runs || performance.now() - begin < ms) {
      await runOne(target, started++);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, keepRunning));
  return started / ((performance.now() - begin) / 1000);
}

async function measureAlone(target: OpenedSystem, samples: number): Promise<number[]> {
  const taken: number[] = [];
  for (let x = 0; x < samples; x++) {
    const begin = performance.now();
    await runOne(target, x);
    taken.push(performance.now() - begin);
  }
  return taken;
}

async function runOne(target: OpenedSystem, x: number): Promise<void> {
  const output = await target.run(x);
  if (output !== expected(x)) {
    throw new Error(`run ${x} returned ${output} instead of ${expected(x)}`);
  }
}
