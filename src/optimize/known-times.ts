import type { Estimate, Estimates } from "../core/estimates.ts";
import type { TaskTree } from "../core/task-tree.ts";

/** What nobody has seen takes a second. */
const DEFAULT_MS = 1000;
const DEFAULT_SIGMA = 1;
/** Spread of the log run time within a kind, where few samples tell; and how many samples it counts for. */
const USUAL_SIGMA = 0.5;
const PRIOR_SAMPLES = 3;
const SAMPLES_FOR_QUANTILES = 20;
/** Times beyond a year are no times. */
const MAX_MS = 365 * 86_400_000;

/** How long a task is expected to take. */
export interface TaskTime {
  readonly meanMs: number;
  readonly medianMs: number;
  readonly sigma: number;
  /** Ascending, at evenly spaced probabilities; empty: as sigma says. */
  readonly quantilesMs: readonly number[];
  /** 0: a guess. */
  readonly samples: number;
  /** Undefined for guesses. */
  readonly estimate: Estimate | undefined;
}

/** What is known of the tasks of a graph. */
export interface KnownTimes {
  /** By index of the task. */
  readonly times: readonly TaskTime[];
  /** Estimates that were not used, and why. */
  readonly refused: readonly { readonly taskId: string; readonly reason: string }[];
}

/**
 * The time of every task: what is known, or, where nothing usable is, the middle of the tasks that are known. Never
 * fails: an estimate that throws, or that cannot be, counts as unknown.
 */
export function knownTimes(tree: TaskTree, estimates: Estimates): KnownTimes {
  const refused: { taskId: string; reason: string }[] = [];
  const found = tree.tasks.map(({ spec }): Estimate | undefined => {
    const { estimate, problem } = ask(estimates, { step: spec.step ?? spec.id, task: spec.id });
    if (problem) {
      refused.push({ taskId: spec.id, reason: problem });
    }
    return problem || !estimate || estimate.samples <= 0 ? undefined : estimate;
  });
  const known = found.flatMap((estimate) => (estimate ? [Math.log(Math.max(1, estimate.meanMs))] : []));
  const guessMs =
    known.length > 0 ? Math.exp(known.reduce((sum, log) => sum + log, 0) / known.length) : DEFAULT_MS;
  const guess: TaskTime = {
    meanMs: guessMs,
    medianMs: guessMs * Math.exp(-(DEFAULT_SIGMA ** 2) / 2),
    sigma: DEFAULT_SIGMA,
    quantilesMs: [],
    samples: 0,
    estimate: undefined,
  };
  return {
    times: found.map((estimate) => (estimate ? toTime(estimate) : guess)),
    refused,
  };
}

/** Few samples show less spread than there is: then it is drawn to what is usual, and quantiles are not believed. */
function toTime(estimate: Estimate): TaskTime {
  const { meanMs, medianMs, sigma, quantilesMs, samples } = estimate;
  const spread = Math.sqrt(
    (samples * sigma ** 2 + PRIOR_SAMPLES * USUAL_SIGMA ** 2) / (samples + PRIOR_SAMPLES),
  );
  const known = samples >= SAMPLES_FOR_QUANTILES && estimate.drift < 1;
  return { meanMs, medianMs, sigma: spread, quantilesMs: known ? quantilesMs : [], samples, estimate };
}

function ask(
  estimates: Estimates,
  key: { readonly step: string; readonly task: string },
): { readonly estimate?: Estimate; readonly problem?: string } {
  try {
    const estimate = estimates.of(key);
    const problem = findProblem(estimate);
    return problem === undefined ? { estimate } : { problem };
  } catch {
    return { problem: "asking for it failed" };
  }
}

/** Why an estimate cannot be true; undefined if it can. */
export function findProblem(estimate: Estimate): string | undefined {
  const { samples, medianMs, meanMs, sigma, quantilesMs, p95Ms, p99Ms, successRate } = estimate;
  const isTime = (value: number): boolean => Number.isFinite(value) && value >= 0 && value <= MAX_MS;
  if (!Number.isFinite(samples) || samples < 0) {
    return "its number of samples is no number of samples";
  }
  if (![medianMs, meanMs, ...quantilesMs].every(isTime) || !(Number.isFinite(sigma) && sigma >= 0)) {
    return "its times are no times";
  }
  if (quantilesMs.some((value, index) => value < (quantilesMs[index - 1] ?? 0))) {
    return "its quantiles fall";
  }
  const [least, most] = [quantilesMs[0], quantilesMs.at(-1)];
  if (
    least !== undefined &&
    most !== undefined &&
    (meanMs < least / 2 || medianMs < least / 2 || medianMs > most * 2)
  ) {
    return "its middle lies outside its quantiles";
  }
  if ([p95Ms, p99Ms].some((value) => value !== null && !(isTime(value) && value >= medianMs))) {
    return "its p95 or p99 lies below its median";
  }
  return successRate >= 0 && successRate <= 1 ? undefined : "its success rate is no rate";
}
