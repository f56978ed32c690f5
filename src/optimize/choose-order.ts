import type { Decision } from "../core/optimizer.ts";
import {
  type Candidate,
  makespans,
  meanOf,
  type PlannedTasks,
  quantileOf,
  timePriorities,
} from "./candidate.ts";
import { drawTimes, type TaskTimes } from "./draw-times.ts";
import type { TaskTime } from "./known-times.ts";
import type { Settings } from "./settings.ts";
import { stepOf } from "./task-facts.ts";

/** The share of the expected work that has to be known before an order is made from it. */
const LEAST_KNOWN = 0.5;
/** An estimate from so many samples counts half. */
const HALF_KNOWN_SAMPLES = 1;
/** In nine of ten simulated runs a new order may take at most this much of the old one's time. */
const WORST_RATIO = 1.02;
const WORST_SHARE = 0.9;
/** Simulated runs: fewer of large graphs, so that planning stays short. */
const DRAWS = { least: 8, most: 40, tasks: 60_000 };

/** Guesses of how long each task takes. */
export interface Draws {
  /** For making orders. */
  readonly making: readonly TaskTimes[];
  /** For comparing them: never those that they were made from. */
  readonly judging: readonly TaskTimes[];
}

export function drawFor(
  { tree }: PlannedTasks,
  times: readonly TaskTime[],
  { seed }: Pick<Settings, "seed">,
): Draws {
  const steps = tree.tasks.map(({ spec }) => stepOf(spec));
  const wanted = Math.floor(DRAWS.tasks / Math.max(1, tree.tasks.length));
  const count = Math.min(DRAWS.most, Math.max(DRAWS.least, wanted));
  return {
    making: drawTimes({ times, steps }, { count, seed }),
    judging: drawTimes({ times, steps }, { count, seed: seed + 1 }),
  };
}

/** How much of the expected work is known, 0 to 1: the more samples, the more. */
export function knownShare({ graph }: PlannedTasks, times: readonly TaskTime[]): number {
  let [all, known] = [0, 0];
  for (const [node, task] of graph.taskOf.entries()) {
    const time = times[task];
    if (time) {
      const workMs = time.meanMs * (graph.shareOf[node] as number);
      all += workMs;
      known += (workMs * time.samples) / (time.samples + HALF_KNOWN_SAMPLES);
    }
  }
  return all === 0 ? 0 : known / all;
}

/** Orders by the learned times; none if too little is known. */
export function learnedOrders(planned: PlannedTasks, times: readonly TaskTime[]): Candidate[] {
  const means = Float64Array.from(times, ({ meanMs }) => meanMs);
  return knownShare(planned, times) < LEAST_KNOWN
    ? []
    : [
        {
          ...planned,
          name: "the longest way left in milliseconds",
          priorities: timePriorities(planned, means),
        },
      ];
}

/** A comparison of two candidates on the same simulated runs. */
export interface Comparison {
  readonly before: number;
  readonly after: number;
  /** Whether it is better by the margin, and hardly ever much worse. */
  readonly wins: boolean;
}

export function compare(
  [before, after]: readonly [readonly number[], readonly number[]],
  margin: number,
): Comparison {
  const ratios = after.map((took, index) => took / Math.max(1e-9, before[index] ?? 0));
  const means = { before: meanOf(before), after: meanOf(after) };
  return {
    ...means,
    wins: means.after < means.before * (1 - margin) && quantileOf(ratios, WORST_SHARE) <= WORST_RATIO,
  };
}

/** What was chosen, and what that is expected to bring. */
export interface Choice {
  readonly candidate: Candidate;
  readonly comparison: Comparison | undefined;
}

/**
 * Chooses the order that simulated runs end soonest in. Another order than the first is used only if it wins by the
 * margin: fewer constraints and better ranks can make list scheduling slower (Graham, 1969).
 */
export function chooseOrder(
  [basic, ...others]: readonly [Candidate, ...Candidate[]],
  draws: Draws,
  settings: Settings,
): Choice {
  const took = makespans(basic, draws.judging, settings);
  let best: Choice = { candidate: basic, comparison: undefined };
  for (const candidate of others) {
    const comparison = compare([took, makespans(candidate, draws.judging, settings)], settings.margin);
    const soonest = best.comparison?.after ?? Number.POSITIVE_INFINITY;
    const isBetter = comparison.wins ? !best.comparison?.wins || comparison.after < soonest : false;
    if (isBetter || (!best.comparison?.wins && comparison.after < soonest)) {
      best = { candidate: comparison.wins ? candidate : basic, comparison };
    }
  }
  return best;
}

/** A sentence on what was chosen. */
export function orderDecision(choice: Choice, times: readonly TaskTime[], known: number): Decision {
  const { candidate, comparison } = choice;
  const samples = times.reduce((sum, time) => sum + Math.min(time.samples, 1e6), 0);
  const share = `${Math.round(known * 100)} % of the expected work is known`;
  const makespanMs = comparison && { before: comparison.before, after: comparison.after };
  return {
    kind: "rank",
    tasks: [],
    change: comparison?.wins
      ? `tasks start in the order of ${candidate.name}`
      : "tasks start in the order of the longest way left in tasks",
    reason: comparison
      ? `${share}; in simulated runs the best other order ${comparison.wins ? "wins" : "does not win"} by the margin`
      : `${share}, too little to make another order from`,
    samples: Math.round(samples),
    adopted: comparison?.wins ?? false,
    ...(makespanMs && { predicted: { makespanMs } }),
  };
}
