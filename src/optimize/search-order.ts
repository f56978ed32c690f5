import type { Decision } from "../core/optimizer.ts";
import { type Candidate, makespans, meanOf } from "./candidate.ts";
import { type Choice, compare, type Draws } from "./choose-order.ts";
import { normalQuantile, randomFrom } from "./random.ts";
import type { Settings } from "./settings.ts";

const TRIALS = 200;
/** Simulated tasks in all: larger graphs get fewer trials, and none where too few would be left to find anything. */
const MAX_SIMULATED_TASKS = 800_000;
const LEAST_TRIALS = 20;
/** Of the logarithm of a rank, when a trial changes it. */
const SPREAD = 0.1;

/**
 * Looks for a better order around the given one: ranks are changed at random, every trial is simulated on the same runs,
 * and the best so far is where the next one starts (random keys: Bean, 1994). What is found is judged on other runs, and
 * used only if it wins there.
 */
export function searchOrder(
  choice: Choice,
  draws: Draws,
  settings: Settings,
): { readonly choice: Choice; readonly decision: Decision } {
  const { candidate } = choice;
  const affordable = Math.floor(
    MAX_SIMULATED_TASKS / Math.max(1, candidate.graph.size * draws.making.length),
  );
  const trials = affordable < LEAST_TRIALS ? 0 : Math.min(TRIALS, affordable);
  const random = randomFrom(settings.seed + 2);
  let best = candidate.priorities;
  let bestMs = meanOf(makespans(candidate, draws.making, settings));
  for (let trial = 0; trial < trials; trial++) {
    const tried = best.map((rank) => rank * Math.exp(SPREAD * normalQuantile(random())));
    const ms = meanOf(makespans({ ...candidate, priorities: tried }, draws.making, settings));
    if (ms < bestMs) {
      best = tried;
      bestMs = ms;
    }
  }
  const found: Candidate = { ...candidate, name: "ranks that were searched by simulation", priorities: best };
  const pair = [candidate, found].map((some) => makespans(some, draws.judging, settings));
  const comparison = compare([pair[0] ?? [], pair[1] ?? []], settings.margin);
  const decision: Decision = {
    kind: "rank",
    tasks: [],
    change: `tasks start in the order of ${found.name}`,
    reason: `${trials} orders were simulated; the best ${comparison.wins ? "wins" : "does not win"} by the margin on other runs`,
    samples: 0,
    adopted: comparison.wins,
    predicted: { makespanMs: { before: comparison.before, after: comparison.after } },
  };
  return {
    choice: comparison.wins ? { candidate: found, comparison: choice.comparison ?? comparison } : choice,
    decision,
  };
}
