import { setTimeout as sleep } from "node:timers/promises";
import { Goalpost, type StepMap, silentLogger, simulateGraph, type TaskSpec } from "goalpost";
import { timesOf } from "./judge-trace.ts";
import { type Trace, toTasks } from "./trace.ts";

/** Milliseconds of sleep that the work of one trace is scaled to, on each slot. */
const SCALED_WORK_MS = 1500;
/** No sleep is longer, so that one long task does not make a trace take minutes. */
const LONGEST_PATH_MS = 4000;

/** How one trace went on the engine. */
export interface EngineRun {
  readonly name: string;
  readonly makespanMs: number;
  /** work / m + (1 − 1/m) × critical path, plus the overhead that was measured. */
  readonly boundMs: number;
  readonly overheadMs: number;
  readonly broken: boolean;
}

/**
 * Carries traces out on the engine, their tasks sleeping scaled run times, on as many slots. Any engine that never lets a
 * slot idle beside a ready task stays below Graham's bound with the times that the tasks really took. The overhead is
 * measured on the same graph with tasks that take no time: what the engine itself needs for it.
 */
export async function runTraces(
  traces: readonly Trace[],
  { database, slots, say }: { database: string; slots: number; say: (text: string) => void },
): Promise<EngineRun[]> {
  await using gp = await Goalpost.open({ database, logger: silentLogger, workers: { concurrency: slots } });
  const runs: EngineRun[] = [];
  for (const trace of traces) {
    const run = await runTrace(gp, trace, slots);
    runs.push(run);
    say(
      `${run.name}: ${Math.round(run.makespanMs)} ms, bound ${Math.round(run.boundMs)} ms${run.broken ? " BROKEN" : ""}`,
    );
  }
  return runs;
}

async function runTrace(gp: Goalpost, trace: Trace, slots: number): Promise<EngineRun> {
  const tasks = toTasks(trace);
  const times = timesOf(trace, tasks);
  const { workMs, criticalPathMs } = simulateGraph({ tasks }, { timesMs: times, slots });
  const scale = Math.min(
    (SCALED_WORK_MS * slots) / Math.max(1e-9, workMs),
    LONGEST_PATH_MS / Math.max(1e-9, criticalPathMs),
  );
  const idle = await execute(gp, tasks, () => 0);
  const busy = await execute(gp, tasks, (id) => (times.get(id) ?? 0) * scale);
  const real = simulateGraph({ tasks }, { timesMs: busy.timesMs, slots });
  const overheadMs = idle.makespanMs;
  const boundMs = real.workMs / slots + (1 - 1 / slots) * real.criticalPathMs + overheadMs;
  return {
    name: trace.name,
    makespanMs: busy.makespanMs,
    boundMs,
    overheadMs,
    broken: busy.makespanMs > boundMs,
  };
}

/** From the first start to the last end, and how long each task took. */
async function execute(
  gp: Goalpost,
  tasks: readonly TaskSpec[],
  timeOf: (id: string) => number,
): Promise<{ readonly makespanMs: number; readonly timesMs: Map<string, number> }> {
  const timesMs = new Map<string, number>();
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  const steps: StepMap = {
    sleep: async (_, ctx) => {
      const begin = performance.now();
      first = Math.min(first, begin);
      const ms = timeOf(ctx.taskId);
      if (ms > 0) {
        await sleep(ms);
      }
      last = performance.now();
      timesMs.set(ctx.taskId, last - begin);
      return null;
    },
  };
  await gp.executeGraph(
    tasks.map((task) => ({ ...task, step: "sleep", timeoutMs: 600_000 })),
    steps,
    { events: false },
  );
  return { makespanMs: last - first, timesMs };
}
