import type { ReuseRule } from "../core/goal.ts";
import type { Decision } from "../core/optimizer.ts";
import { QualityPosterior } from "./quality-posterior.ts";

/** How the runs of one plan ended. */
export interface PlanRecord {
  readonly successes: number;
  readonly failures: number;
  /** Failures since it last reached its goal. */
  readonly failuresInARow: number;
  /** Milliseconds since it was last carried out. */
  readonly ageMs: number;
}

export interface ReuseVerdict {
  readonly reuse: boolean;
  /** The share of its runs that reach the goal is above this with 95 % certainty. */
  readonly lowerBound: number;
  readonly samples: number;
  /** In one sentence, for a person. */
  readonly reason: string;
}

export const DEFAULT_REUSE: Required<{ [K in keyof ReuseRule]: number }> = {
  least: 0.9,
  maxAgeMs: 90 * 86_400_000,
};

const UNCERTAINTY = 0.05;
const MAX_FAILURES_IN_A_ROW = 1;
const DAY_MS = 86_400_000;

/**
 * Whether a plan is used again as it stands: by what came of this plan, not by how near its goal is. Each plan has a
 * Beta posterior over a flat prior, as each entry of vCache has (Schroeder et al., arXiv 2502.03771); two failures in a
 * row or age set it aside.
 */
export function judgeReuse(record: PlanRecord, rule: ReuseRule = {}): ReuseVerdict {
  const { least = DEFAULT_REUSE.least, maxAgeMs = DEFAULT_REUSE.maxAgeMs } = rule;
  const { successes, failures, failuresInARow, ageMs } = record;
  const samples = successes + failures;
  const lowerBound = new QualityPosterior(successes, failures).quantile(UNCERTAINTY);
  const verdict = (reuse: boolean, reason: string): ReuseVerdict => ({ reuse, lowerBound, samples, reason });
  if (failuresInARow > MAX_FAILURES_IN_A_ROW) {
    return verdict(false, `it failed ${failuresInARow} times in a row`);
  }
  if (ageMs > maxAgeMs) {
    return verdict(false, `it was last carried out ${Math.round(ageMs / DAY_MS)} days ago`);
  }
  const share = `${successes} of its ${samples} runs reached the goal, so at least ${lowerBound.toFixed(3)} of them do`;
  return lowerBound >= least ? verdict(true, share) : verdict(false, `${share}, and ${least} is asked for`);
}

/** The verdict as a decision, as those of the optimizer are kept. @param adopted whether the plan was used in the end */
export function reuseDecision(verdict: ReuseVerdict, tasks: readonly string[], adopted: boolean): Decision {
  const change = adopted
    ? "The plan of an earlier run of this goal is used as it stands."
    : "The goal is planned anew, though an earlier run of it left a plan.";
  const reason =
    verdict.reuse && !adopted ? "It did not pass the validator." : `Of that plan: ${verdict.reason}.`;
  return { kind: "plan_reuse", tasks, change, reason, samples: verdict.samples, adopted };
}
