import { setTimeout as sleep } from "node:timers/promises";
import { Goalpost, type StepMap, silentLogger, simulateGraph, type TaskSpec } from "goalpost";
import { timesOf } from "./judge-trace.ts";
import { waitsOf } from "./policies.ts";
import { type Trace, toTasks } from "./trace.ts";

/** Milliseconds of sleep that the work of one trace is scaled to, on each slot. */
const SCALED_WORK_MS = 1500;
/** No sleep is longer, so that one long task does not make a trace take minutes. */
const LONGEST_PATH_MS = 4000;
/** Run times that end one by one. */
const SHORT_MS = [5, 11, 7, 13, 6, 9];

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
 * measured on the same graph in runs of its own: what it takes with tasks of no time, or, if that is more, how long a
 * slot idles beside a ready task where tasks take some milliseconds each, and so end one by one.
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
  const short = await execute(gp, tasks, (id) => SHORT_MS[Number(id.slice(1)) % SHORT_MS.length] ?? 0);
  const busy = await execute(gp, tasks, (id) => (times.get(id) ?? 0) * scale);
  const real = simulateGraph({ tasks }, { timesMs: lengthsOf(busy), slots });
  const overheadMs = Math.max(makespanOf(idle), idledMs(tasks, short, slots));
  const boundMs = real.workMs / slots + (1 - 1 / slots) * real.criticalPathMs + overheadMs;
  const makespanMs = makespanOf(busy);
  return {
    name: trace.name,
    makespanMs,
    boundMs,
    overheadMs,
    broken: makespanMs > boundMs,
  };
}

/** When a task began and ended, in milliseconds. */
interface Span {
  readonly begin: number;
  readonly end: number;
}

type Spans = ReadonlyMap<string, Span>;

async function execute(
  gp: Goalpost,
  tasks: readonly TaskSpec[],
  timeOf: (id: string) => number,
): Promise<Spans> {
  const spans = new Map<string, Span>();
  const steps: StepMap = {
    sleep: async (_, ctx) => {
      const begin = performance.now();
      const ms = timeOf(ctx.taskId);
      if (ms > 0) {
        await sleep(ms);
      }
      spans.set(ctx.taskId, { begin, end: performance.now() });
      return null;
    },
  };
  await gp.executeGraph(
    tasks.map((task) => ({ ...task, step: "sleep", timeoutMs: 600_000 })),
    steps,
    { events: false },
  );
  return spans;
}

function lengthsOf(spans: Spans): Map<string, number> {
  return new Map([...spans].map(([id, { begin, end }]) => [id, end - begin]));
}

/** From the first start to the last end. */
function makespanOf(spans: Spans): number {
  const all = [...spans.values()];
  return Math.max(...all.map(({ end }) => end)) - Math.min(...all.map(({ begin }) => begin));
}

/** How long a slot was free while a task was ready and had not begun. */
function idledMs(tasks: readonly TaskSpec[], spans: Spans, slots: number): number {
  const first = Math.min(...[...spans.values()].map(({ begin }) => begin));
  const changes = [...waitsOf(tasks)].flatMap(([id, before]) => {
    const { begin, end } = spans.get(id) as Span;
    const ready = Math.max(first, ...before.map((other) => spans.get(other)?.end ?? first));
    return [
      { at: ready, ready: 1, busy: 0 },
      { at: begin, ready: -1, busy: 1 },
      { at: end, ready: 0, busy: -1 },
    ];
  });
  changes.sort((one, other) => one.at - other.at);
  let [ready, busy, before, idled] = [0, 0, first, 0];
  for (const change of changes) {
    if (ready > 0 && busy < slots) {
      idled += change.at - before;
    }
    ready += change.ready;
    busy += change.busy;
    before = change.at;
  }
  return idled;
}
