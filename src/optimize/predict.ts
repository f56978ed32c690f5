import type { Estimates } from "../core/estimates.ts";
import type { TaskGraph } from "../core/goal.ts";
import type { OptimizeOptions } from "../core/optimizer.ts";
import { DEFAULT_MAX_ATTEMPTS } from "../core/retry.ts";
import { type Candidate, hopPriorities, makespans, meanOf, planTasks, quantileOf } from "./candidate.ts";
import { drawTimes, nodeTimes } from "./draw-times.ts";
import { type KnownTimes, knownTimes } from "./known-times.ts";
import { randomFrom } from "./random.ts";
import { criticalPathOf } from "./ranks.ts";
import { resolveSettings, type Settings } from "./settings.ts";
import { isLeaf, stepOf } from "./task-facts.ts";

const DRAWS = 200;
const MAX_DRAWN_TASKS = 200_000;

/** What carrying out a graph is expected to take, before anything is spent. */
export interface Prediction {
  /** From the first start to the last end, in milliseconds: half of the runs take less than p50Ms, 95 % less than p95Ms. */
  readonly durationMs: { readonly p50Ms: number; readonly p95Ms: number };
  /** The tasks that the duration depends on most: the longest way through the graph. */
  readonly criticalPath: { readonly lengthMs: number; readonly tasks: readonly string[] };
  /** The tasks' own time together, in milliseconds. */
  readonly workMs: number;
  /** US dollars, retries included: 90 % of the runs cost something in between. Of tasks with a known price only. */
  readonly costUsd: { readonly low: number; readonly expected: number; readonly high: number };
  /** Leaf tasks in all, those that past runs tell nothing of, and those without a known price. */
  readonly tasks: { readonly count: number; readonly unknown: number; readonly unpriced: number };
  /** Tasks at once that it was simulated with. */
  readonly slots: number;
}

/**
 * Simulates a graph with what past runs tell of its steps. Tasks that nothing is known of are taken for the middle of
 * those that are known, or for a second. Pure, and the same for the same seed.
 */
export function predict(graph: TaskGraph, estimates: Estimates, options: OptimizeOptions = {}): Prediction {
  const settings = resolveSettings(options);
  const planned = planTasks(graph.tasks, settings);
  const known = knownTimes(planned.tree, estimates);
  const { times } = known;
  const count = Math.max(10, Math.min(DRAWS, Math.floor(MAX_DRAWN_TASKS / Math.max(1, times.length))));
  const steps = planned.tree.tasks.map(({ spec }) => stepOf(spec));
  const draws = drawTimes({ times, steps }, { count, seed: settings.seed });
  const candidate: Candidate = { ...planned, name: "", priorities: hopPriorities(planned) };
  const took = makespans(candidate, draws, settings);
  const timesMs = nodeTimes(
    planned.graph,
    Float64Array.from(times, ({ meanMs }) => meanMs),
  );
  const path = criticalPathOf(planned.graph, timesMs);
  const named = path.nodes.flatMap((node) => {
    const id = planned.tree.tasks[planned.graph.taskOf[node] as number]?.spec.id;
    return id === undefined ? [] : [id];
  });
  return {
    durationMs: { p50Ms: Math.round(quantileOf(took, 0.5)), p95Ms: Math.round(quantileOf(took, 0.95)) },
    criticalPath: { lengthMs: Math.round(path.lengthMs), tasks: [...new Set(named)] },
    workMs: Math.round(timesMs.reduce((sum, ms) => sum + ms, 0)),
    ...predictCost({ candidate, known, draws }, settings),
    slots: settings.slots,
  };
}

/** A task that takes longer than usual costs more: of what it asks models for, both grow with the tokens. */
function predictCost(
  { candidate, known, draws }: { candidate: Candidate; known: KnownTimes; draws: readonly Float64Array[] },
  { seed }: Settings,
): Pick<Prediction, "costUsd" | "tasks"> {
  const random = randomFrom(seed + 3);
  const leaves = candidate.tree.tasks.flatMap(({ spec }, index) => (isLeaf(spec) ? [{ spec, index }] : []));
  const priced = leaves.flatMap(({ spec, index }) => {
    const time = known.times[index];
    const usd = time?.estimate?.costUsd;
    return time && usd !== undefined && usd !== null && usd >= 0 && Number.isFinite(usd)
      ? [{ index, usd, time, most: spec.maxAttempts ?? DEFAULT_MAX_ATTEMPTS }]
      : [];
  });
  const totals = draws.map((draw) => {
    let sum = 0;
    for (const { index, usd, time, most } of priced) {
      let tries = 1;
      while (tries < most && random() > (time.estimate?.successRate ?? 1)) {
        tries++;
      }
      sum += (tries * usd * (draw[index] as number)) / Math.max(1e-9, time.meanMs);
    }
    return sum;
  });
  return {
    costUsd: {
      low: quantileOf(totals, 0.05),
      expected: meanOf(totals),
      high: quantileOf(totals, 0.95),
    },
    tasks: {
      count: leaves.length,
      unknown: leaves.filter(({ index }) => known.times[index]?.estimate === undefined).length,
      unpriced: leaves.length - priced.length,
    },
  };
}
