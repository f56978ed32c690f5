import { type Estimates, optimize, simulateGraph } from "goalpost";
import { randomFrom } from "../harness/random.ts";
import { timesOf } from "./judge-trace.ts";
import { inOrder, waitsOf } from "./policies.ts";
import { type Trace, toTasks } from "./trace.ts";

const ARRIVALS = 60;
const LOAD = 0.85;
const SEEDS = [1, 2, 3, 4, 5, 6];

export interface Slowdowns {
  readonly mean: number;
  readonly p95: number;
  readonly worst: number;
}

export interface ManyGoals {
  readonly fifo: Slowdowns;
  readonly advanced: Slowdowns;
  /** The mean of advanced over that of FIFO. */
  readonly ratio: number;
}

interface Goal {
  readonly followers: readonly (readonly number[])[];
  readonly waits: readonly number[];
  readonly timesMs: readonly number[];
  readonly ranks: readonly number[];
  readonly delayMs: number;
  readonly aloneMs: number;
  readonly workMs: number;
}

/**
 * Many goals at once on shared slots: sixty random arrivals at 85 % load. FIFO takes ready tasks as they come; advanced
 * takes them by the key of their run (its start plus half of its expected work), then by rank. Slowdown: the time of a
 * goal over what it takes alone.
 */
export function judgeManyGoals(
  traces: readonly Trace[],
  estimatesFor: (trace: Trace) => Estimates,
  slots: number,
): ManyGoals {
  const goals = traces.map((trace) => toGoal(trace, estimatesFor(trace), slots));
  const all = { fifo: [] as number[], advanced: [] as number[] };
  for (const seed of SEEDS) {
    const random = randomFrom(seed);
    const chosen = Array.from({ length: ARRIVALS }, () => goals[Math.floor(random() * goals.length)] as Goal);
    const meanWorkMs = chosen.reduce((sum, { workMs }) => sum + workMs, 0) / chosen.length;
    let at = 0;
    const starts = chosen.map(() => {
      at += (-Math.log(1 - random()) * meanWorkMs) / (slots * LOAD);
      return at;
    });
    all.fifo.push(...run(chosen, starts, { slots, byKey: false }));
    all.advanced.push(...run(chosen, starts, { slots, byKey: true }));
  }
  const [fifo, advanced] = [summarise(all.fifo), summarise(all.advanced)];
  return { fifo, advanced, ratio: advanced.mean / fifo.mean };
}

function toGoal(trace: Trace, estimates: Estimates, slots: number): Goal {
  const tasks = toTasks(trace);
  const times = timesOf(trace, tasks);
  const { graph } = optimize({ tasks }, estimates, { level: "advanced", slots, overheadMs: 0 });
  const waits = waitsOf(tasks);
  const ids = inOrder(waits);
  const index = new Map(ids.map((id, at) => [id, at]));
  const followers: number[][] = ids.map(() => []);
  for (const [id, before] of waits) {
    for (const other of new Set(before)) {
      followers[index.get(other) ?? -1]?.push(index.get(id) ?? -1);
    }
  }
  const alone = simulateGraph({ tasks }, { timesMs: times, slots });
  return {
    followers,
    waits: ids.map((id) => new Set(waits.get(id)).size),
    timesMs: ids.map((id) => times.get(id) ?? 0),
    ranks: ids.map((id) => graph.hints.get(id)?.rank ?? 0),
    delayMs: graph.runKeyDelayMs,
    aloneMs: Math.max(1, alone.makespanMs),
    workMs: alone.workMs,
  };
}

interface Ready {
  readonly goal: number;
  readonly task: number;
  readonly key: number;
  readonly rank: number;
}

/** The slowdown of each goal. */
function run(
  goals: readonly Goal[],
  starts: readonly number[],
  { slots, byKey }: { slots: number; byKey: boolean },
): number[] {
  const left = goals.map(({ waits }) => [...waits]);
  const open = goals.map(({ waits }) => waits.length);
  const ends = goals.map(() => 0);
  const ready: Ready[] = [];
  const running: { at: number; goal: number; task: number }[] = [];
  let [now, next] = [0, 0];
  const add = (goal: number, task: number): void => {
    const { delayMs = 0, ranks = [] } = goals[goal] ?? {};
    ready.push({
      goal,
      task,
      key: byKey ? (starts[goal] ?? 0) + delayMs : 0,
      rank: byKey ? (ranks[task] ?? 0) : 0,
    });
  };
  while (next < goals.length || running.length > 0 || ready.length > 0) {
    while (ready.length > 0 && running.length < slots) {
      const { goal, task } = ready.splice(firstOf(ready), 1)[0] as Ready;
      running.push({ at: now + (goals[goal]?.timesMs[task] ?? 0), goal, task });
    }
    running.sort((one, other) => one.at - other.at);
    const arrival = starts[next] ?? Number.POSITIVE_INFINITY;
    const done = running[0];
    if (!done || arrival <= done.at) {
      if (arrival === Number.POSITIVE_INFINITY) {
        break;
      }
      now = arrival;
      for (const [task, waits] of (left[next] ?? []).entries()) {
        if (waits === 0) {
          add(next, task);
        }
      }
      next++;
      continue;
    }
    running.shift();
    now = done.at;
    open[done.goal] = (open[done.goal] ?? 0) - 1;
    ends[done.goal] = now;
    for (const follower of goals[done.goal]?.followers[done.task] ?? []) {
      const counts = left[done.goal] ?? [];
      counts[follower] = (counts[follower] ?? 0) - 1;
      if (counts[follower] === 0) {
        add(done.goal, follower);
      }
    }
  }
  return goals.map(({ aloneMs }, goal) => ((ends[goal] ?? 0) - (starts[goal] ?? 0)) / aloneMs);
}

/** The smallest key, then the largest rank, then the first that was ready. */
function firstOf(ready: readonly Ready[]): number {
  let first = 0;
  for (const [index, { key, rank }] of ready.entries()) {
    const best = ready[first] as Ready;
    if (key < best.key || (key === best.key && rank > best.rank)) {
      first = index;
    }
  }
  return first;
}

function summarise(slowdowns: readonly number[]): Slowdowns {
  const sorted = slowdowns.toSorted((one, other) => one - other);
  return {
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p95: sorted[Math.floor(0.95 * (sorted.length - 1))] ?? 0,
    worst: sorted.at(-1) ?? 0,
  };
}
