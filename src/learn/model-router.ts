import type { ModelRef } from "../core/llm.ts";
import type { ResolvedRouting } from "../core/routing-options.ts";
import { chancesToBeBest, QualityPosterior } from "./quality-posterior.ts";

/** What is left of each answer's weight when another of its kind is judged: old answers are forgotten under drift. */
export const QUALITY_KEEP = 0.999;
/** With fewer judged answers nothing is said of a model. */
export const MIN_SAMPLES = 5;
/** How sure it must be that a model is below the floor. */
const SURE = 0.9;
/** Below this share of requests that were served, a model counts as away, … */
const SERVES = 0.5;
/** … for so many milliseconds after the last that was not. */
export const AWAY_MS = 300_000;
/** What is left of a budget counts as no less: the price of money stays within bounds. */
const LEAST_LEFT = 0.05;

/** A model that may be chosen, and what came of asking it. */
export interface ModelArm extends ModelRef {
  /** Judged answers, discounted by age; fractions count. */
  readonly successes: number;
  readonly failures: number;
  /** Mean US dollars of a request; null if unknown. */
  readonly costUsd: number | null;
  /** Median milliseconds of an answer; null if unknown. */
  readonly durationMs: number | null;
  /** The share of recent requests that the provider served, 0 to 1. */
  readonly availability: number;
  /** Milliseconds since it last did not; null if it always did. */
  readonly sinceAwayMs: number | null;
}

/** What is at stake with one request. */
export interface RouteSituation {
  readonly effectFree: boolean;
  readonly offCriticalPath: boolean;
  /** The share that is left of the budget, 0 to 1; 1 without one. */
  readonly budgetLeft: number;
}

/** Whether a model's answers reach the floor. */
export type Standing = "above" | "below" | "unknown";

/** A model, weighed against the others. */
export interface WeighedArm {
  readonly arm: ModelArm;
  readonly posterior: QualityPosterior;
  readonly standing: Standing;
  readonly away: boolean;
  /** What its cost and time take off its quality. */
  readonly price: number;
  /** Mean quality less the price. */
  readonly utility: number;
  /** The probability with which it is chosen; all add up to 1. */
  readonly propensity: number;
}

/** What a choice is made of. */
export interface Weighed {
  /** In the order of the arms. */
  readonly arms: readonly WeighedArm[];
  /** The index of the one that looks best of those that may be chosen. */
  readonly best: number;
}

/**
 * Weighs models for one request. Pure: the same arms, options and situation give the same probabilities.
 *
 * Of those that do not fall below the floor the one is taken that is likely the best, by Thompson sampling: each is
 * chosen as often as it is likely the best. Where nothing may be tried out (`strict`, or tools with side effects) it is
 * the best of those that are known.
 * @param arms in the order of the table: the first is what the table says
 */
export function weighModels(
  arms: readonly ModelArm[],
  options: ResolvedRouting,
  situation: RouteSituation,
): Weighed {
  const prices = pricesOf(arms, options, situation.budgetLeft);
  const judged = arms.map((arm, index) => {
    const posterior = new QualityPosterior(arm.successes, arm.failures);
    const price = prices[index] as number;
    const utility = posterior.mean - price;
    return {
      arm,
      index,
      posterior,
      price,
      utility,
      standing: standingOf(arm, posterior, options.floor),
      away: isAway(arm),
    };
  });
  const open = eligible(judged);
  const tries = !options.strict && situation.effectFree;
  const pool = tries ? open : settled(open);
  const best = pool.reduce((a, b) => (b.utility > a.utility ? b : a)).index;
  const chances = tries
    ? chancesOf(pool, options, situation)
    : pool.map(({ index }) => Number(index === best));
  return {
    best,
    arms: judged.map(({ index, ...arm }) => ({
      ...arm,
      propensity: chances[pool.findIndex((one) => one.index === index)] ?? 0,
    })),
  };
}

/** Chooses one: the same number chooses the same. @param random in [0, 1) */
export function drawModel({ arms }: Weighed, random: number): number {
  let left = random;
  for (const [index, { propensity }] of arms.entries()) {
    left -= propensity;
    if (left < 0) {
      return index;
    }
  }
  // Rounding left a little.
  return arms.findLastIndex(({ propensity }) => propensity > 0);
}

/** The others in the order in which they are asked if the chosen one cannot answer. */
export function orderOfOthers({ arms }: Weighed, chosen: number): number[] {
  const last = ({ standing, away }: WeighedArm): number => 2 * Number(standing === "below") + Number(away);
  return [...arms.entries()]
    .filter(([index]) => index !== chosen)
    .sort(([i, a], [j, b]) => last(a) - last(b) || b.utility - a.utility || i - j)
    .map(([index]) => index);
}

interface Judged extends Omit<WeighedArm, "propensity"> {
  readonly index: number;
}

/** What cost and time take off each model's quality; more, the less is left of the budget. */
export function pricesOf(arms: readonly ModelArm[], options: ResolvedRouting, budgetLeft: number): number[] {
  const { lambda, mu, priceOfQualityUsd } = options;
  const dearest = mostOf(arms.map(({ costUsd }) => costUsd));
  const slowest = mostOf(arms.map(({ durationMs }) => durationMs));
  const pressure = 1 / Math.min(1, Math.max(LEAST_LEFT, budgetLeft));
  return arms.map(({ costUsd, durationMs }) => {
    // What nobody knows the price of may be as dear as the dearest.
    const cost = costUsd ?? dearest;
    const money = priceOfQualityUsd === null ? lambda * share(cost, dearest) : cost / priceOfQualityUsd;
    return pressure * money + mu * share(durationMs ?? slowest, slowest);
  });
}

function mostOf(values: readonly (number | null)[]): number {
  return Math.max(0, ...values.map((value) => value ?? 0));
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

function standingOf({ successes, failures }: ModelArm, posterior: QualityPosterior, floor: number): Standing {
  if (!isKnown({ successes, failures })) {
    return "unknown";
  }
  return posterior.below(floor) >= SURE ? "below" : posterior.mean >= floor ? "above" : "unknown";
}

/** Whether enough was judged to say something. */
export function isKnown({ successes, failures }: Pick<ModelArm, "successes" | "failures">): boolean {
  return successes + failures >= MIN_SAMPLES;
}

function isAway({ availability, sinceAwayMs }: ModelArm): boolean {
  return availability < SERVES && sinceAwayMs !== null && sinceAwayMs < AWAY_MS;
}

/** The floor comes before being there: who is away gives way to the next one when it is asked. */
function eligible(judged: readonly Judged[]): readonly Judged[] {
  const fit = judged.filter(({ standing }) => standing !== "below");
  if (fit.length === 0) {
    return [judged.reduce((a, b) => (b.posterior.mean > a.posterior.mean ? b : a))];
  }
  const there = fit.filter(({ away }) => !away);
  return there.length > 0 ? there : fit;
}

/** Those that need not be tried out: what the table says until it is known, then all that are. */
function settled(open: readonly Judged[]): readonly Judged[] {
  const [first] = open;
  const known = open.filter(({ arm }) => isKnown(arm));
  const above = known.filter(({ standing }) => standing === "above");
  if (first && first.index === 0 && !isKnown(first.arm)) {
    return [first];
  }
  return above.length > 0 ? above : known.length > 0 ? known : open.slice(0, 1);
}

function chancesOf(
  pool: readonly Judged[],
  { exploration }: ResolvedRouting,
  { offCriticalPath }: RouteSituation,
): number[] {
  const forced = offCriticalPath ? exploration : 0;
  return chancesToBeBest(pool).map((chance) => (1 - forced) * chance + forced / pool.length);
}
