import type { Estimate } from "../core/estimates.ts";

/** Fewer tries say nothing about the slowest of a hundred. */
const LEAST_SAMPLES = 100;
/** Milliseconds: noise of a machine, which short tasks have as well as long ones. */
const FLOOR_MS = 1000;
const LEAST_MS = 2000;
const MOST_MS = 86_400_000;
/** So many tries after an error, of which hardly one completed, before no other is made. */
const LEAST_RETRIES = 20;
const HOPELESS_RATE = 0.05;
/** These say nothing of the task: it was the worker, the limit, or the plan. */
const NOT_ABOUT_THE_TASK: ReadonlySet<string> = new Set([
  "LEASE_LOST",
  "STEP_TIMEOUT",
  "CANCELLED",
  "BUDGET_EXCEEDED",
  "POISON",
]);

/**
 * Milliseconds that a try may take: beyond p99 and well beyond p95, so that of the healthy ones at most a few in a
 * thousand are stopped. Undefined where too little is known, or it has changed lately.
 */
export function learnedTimeoutMs(estimate: Estimate): number | undefined {
  const { samples, p95Ms, p99Ms, drift } = estimate;
  if (samples < LEAST_SAMPLES || p95Ms === null || p99Ms === null || !(drift < 1)) {
    return undefined;
  }
  return Math.round(Math.min(MOST_MS, Math.max(LEAST_MS, Math.max(1.5 * p95Ms, p99Ms) + FLOOR_MS)));
}

/** Error codes after which another try has hardly ever completed. */
export function finalErrors(estimate: Estimate): string[] {
  return Object.entries(estimate.retries)
    .filter(
      ([code, { samples, successRate }]) =>
        !NOT_ABOUT_THE_TASK.has(code) && samples >= LEAST_RETRIES && successRate < HOPELESS_RATE,
    )
    .map(([code]) => code)
    .sort();
}
