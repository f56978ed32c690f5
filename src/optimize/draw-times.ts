import type { TaskTime } from "./known-times.ts";
import { normalQuantile, randomFrom } from "./random.ts";
import type { WorkGraph } from "./work-graph.ts";

/**
 * Share of the variance that the tasks of one step have in common: an estimate that is off is off for all of them, and
 * independent errors would make every order look safer than it is.
 */
const COMMON_SHARE = 0.5;

/** For each task of a graph how long it takes. */
export type TaskTimes = ArrayLike<number>;

/** How long each node takes, from how long each task takes. */
export function nodeTimes(graph: WorkGraph, times: TaskTimes): Float64Array {
  return Float64Array.from(graph.taskOf, (task, node) =>
    task < 0 ? 0 : (times[task] as number) * (graph.shareOf[node] as number),
  );
}

/**
 * Draws a run time for every task, `count` times: Monte Carlo from the quantiles of the estimates. The same seed has the
 * same draws, so that two orders of the tasks are compared on the same runs.
 * @param steps the step of each task
 */
export function drawTimes(
  { times, steps }: { readonly times: readonly TaskTime[]; readonly steps: readonly string[] },
  { count, seed }: { readonly count: number; readonly seed: number },
): Float64Array[] {
  const random = randomFrom(seed);
  const normal = (): number => normalQuantile(random());
  const [common, own] = [Math.sqrt(COMMON_SHARE), Math.sqrt(1 - COMMON_SHARE)];
  return Array.from({ length: count }, () => {
    const byStep = new Map<string, number>();
    return Float64Array.from(times, (time, task) => {
      const step = steps[task] ?? "";
      const shared = byStep.get(step) ?? normal();
      byStep.set(step, shared);
      return quantileAt(time, common * shared + own * normal());
    });
  });
}

/** The time at so many standard deviations from the middle. */
function quantileAt({ quantilesMs, medianMs, sigma }: TaskTime, deviation: number): number {
  if (quantilesMs.length === 0) {
    return medianMs * Math.exp(sigma * deviation);
  }
  const place = normalShare(deviation) * quantilesMs.length - 0.5;
  const below = Math.max(0, Math.min(quantilesMs.length - 1, Math.floor(place)));
  const low = quantilesMs[below] as number;
  const high = quantilesMs[below + 1] ?? low;
  return low + (high - low) * Math.min(1, Math.max(0, place - below));
}

/** The share of a normal distribution below so many standard deviations (logistic approximation, error below 2e-4). */
function normalShare(deviation: number): number {
  return 1 / (1 + Math.exp(-1.5976 * deviation - 0.070566 * deviation ** 3));
}
