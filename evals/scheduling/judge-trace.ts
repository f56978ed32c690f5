import { type Estimates, optimize, simulateGraph } from "goalpost";
import { batchMakespan, hopRanks, levelMakespan, timeRanks, waitsOf } from "./policies.ts";
import { type Trace, toTasks } from "./trace.ts";

/** Ratios of the simulated durations of one trace to what no order can stay below. */
export interface Judged {
  readonly name: string;
  readonly tasks: number;
  readonly boundMs: number;
  readonly ratios: Ratios;
  /** What the learned order takes of the time of the order without estimates. */
  readonly advancedToBasic: number;
}

export interface Ratios {
  readonly batchAwait: number;
  readonly level: number;
  readonly fifo: number;
  readonly hops: number;
  readonly advanced: number;
  readonly oracle: number;
}

/** Only the estimates that the trace is judged with are learned; the oracle knows how long each task will take. */
export function judgeTrace(trace: Trace, estimates: Estimates, slots: number): Judged {
  const tasks = toTasks(trace);
  const timesMs = timesOf(trace, tasks);
  const waits = waitsOf(tasks);
  const run = (ranks?: ReadonlyMap<string, number>): number =>
    simulateGraph({ tasks }, { timesMs, slots, ranks }).makespanMs;
  const [basic, advanced] = (["basic", "advanced"] as const).map((level) => {
    const { graph } = optimize({ tasks }, estimates, { level, slots, overheadMs: 0 });
    const ranks = new Map([...graph.hints].map(([id, { rank }]) => [id, rank]));
    return simulateGraph(graph, { timesMs, slots, ranks }).makespanMs;
  });
  const { boundMs } = simulateGraph({ tasks }, { timesMs, slots });
  const ratio = (tookMs: number | undefined): number => (tookMs ?? Number.NaN) / Math.max(1e-9, boundMs);
  return {
    name: trace.name,
    tasks: tasks.length,
    boundMs,
    ratios: {
      batchAwait: ratio(batchMakespan(waits, timesMs, slots)),
      level: ratio(levelMakespan(waits, timesMs, slots)),
      fifo: ratio(run()),
      hops: ratio(run(hopRanks(waits))),
      advanced: ratio(advanced),
      oracle: ratio(run(timeRanks(waits, timesMs))),
    },
    advancedToBasic: (advanced ?? Number.NaN) / Math.max(1e-9, basic ?? Number.NaN),
  };
}

export function timesOf({ tasks }: Trace, planned: readonly { readonly id: string }[]): Map<string, number> {
  return new Map(planned.map(({ id }, index) => [id, (tasks[index]?.runtimeSec ?? 0) * 1000]));
}
