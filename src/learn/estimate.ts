import type { Estimate } from "../core/estimates.ts";
import type { Summary } from "../core/summary.ts";

/** What is taken for a run time where nothing is known, in milliseconds, and how far it may be off. */
const DEFAULT_MS = 1000;
const DEFAULT_SIGMA = 1;
/** Quantiles that an estimate carries. */
const QUANTILES = 32;
/** Samples from which a summary's own shape is believed. */
const ENOUGH = 10;
/** Samples lose half of their weight in so many days. */
const HALF_LIFE_DAYS = 30;
const DAY_MS = 86_400_000;

/** A summary, and how much what is more general counts beside it, in samples. */
export interface Level {
  readonly name: Exclude<Estimate["level"], "default">;
  readonly summary: Summary;
  /** k = variance within / variance between, from 1 to 50 (method of moments). */
  readonly k: number;
}

/** Milliseconds and spread of one level, once what is more general was weighed in. */
interface Centre {
  readonly log: number;
  readonly sigma: number;
}

/** The estimate of work that nothing is known of. */
export const UNKNOWN: Estimate = {
  samples: 0,
  medianMs: DEFAULT_MS,
  meanMs: DEFAULT_MS,
  sigma: DEFAULT_SIGMA,
  quantilesMs: [],
  p95Ms: null,
  p99Ms: null,
  successRate: 0.5,
  retries: {},
  costUsd: 0,
  queueWaitMs: 0,
  drift: 0,
  level: "default",
};

/**
 * The estimate from what is known at each level, the most specific one first. On the logarithm of the run time each
 * level is drawn to the next more general one: (n m + k M) / (n + k).
 */
export function estimateOf(levels: readonly Level[], now: number): Estimate {
  const told = levels.filter(({ summary }) => summary.tries > 0);
  const own = told[0];
  if (!own) {
    return UNKNOWN;
  }
  const { summary } = own;
  const timed = told.filter((level) => level.summary.count > 0 || level.summary.censored.count > 0);
  const centre = centreOf(timed);
  const shape = timed.find((level) => level.summary.count >= ENOUGH) ?? timed[0];
  const quantilesMs = shape ? quantilesOf(shape.summary, centre) : [];
  const medianMs = middle(quantilesMs) ?? Math.exp(centre.log);
  const p95Ms = notBelow(medianMs, boundOf(timed, 0.05));
  return {
    samples: weightOf(summary, now),
    medianMs,
    meanMs: quantilesMs.length > 0 ? meanOf(quantilesMs) : Math.exp(centre.log + centre.sigma ** 2 / 2),
    sigma: centre.sigma,
    quantilesMs,
    p95Ms,
    p99Ms: notBelow(p95Ms ?? medianMs, boundOf(timed, 0.01)),
    successRate: rateOf(summary),
    retries: Object.fromEntries(
      [...summary.retries].map(([code, { completed, failed }]) => [
        code,
        { successRate: (1 + completed) / (2 + completed + failed), samples: completed + failed },
      ]),
    ),
    costUsd: summary.sums.unpriced > 0 ? null : summary.sums.costUsd / Math.max(1, summary.sums.priced),
    queueWaitMs: waitOf(told),
    drift: summary.recent.drift,
    level: own.name,
  };
}

function centreOf(levels: readonly Level[]): Centre {
  return (
    levels.reduceRight<Centre | undefined>((general, { summary, k }) => {
      const own = ownCentre(summary);
      if (!general) {
        return own;
      }
      const n = summary.count + summary.censored.count;
      const weight = n / (n + k);
      return {
        log: weight * own.log + (1 - weight) * general.log,
        sigma: weight * own.sigma + (1 - weight) * general.sigma,
      };
    }, undefined) ?? { log: Math.log(DEFAULT_MS), sigma: DEFAULT_SIGMA }
  );
}

/** Of the last samples; the more something has changed lately, the more the moving average counts. */
function ownCentre(summary: Summary): Centre {
  const logs = summary.recent.logs();
  if (logs.length === 0) {
    // Only tries that timed out: it takes longer than they were given.
    return { log: Math.log(2 * summary.censored.quantile(1)), sigma: DEFAULT_SIGMA };
  }
  const mean = meanOf(logs);
  const follow = Math.min(1, summary.recent.drift);
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / Math.max(1, logs.length - 1);
  const sigma = logs.length < 2 ? DEFAULT_SIGMA : Math.sqrt(variance);
  return { log: (1 - follow) * mean + follow * summary.recent.average, sigma };
}

/**
 * Run times at evenly spaced probabilities: those of the sketch, or of the last samples where something has changed, moved
 * to the centre. Tries that timed out count as taking as long as they were given, at least.
 */
function quantilesOf(summary: Summary, centre: Centre): number[] {
  const logs = summary.recent.logs();
  if (summary.count < ENOUGH) {
    return spread((probability) => Math.exp(centre.log + centre.sigma * normalQuantile(probability)));
  }
  const changed = summary.recent.drift >= 1;
  const own = changed
    ? (probability: number): number => Math.exp(at(logs, probability))
    : (probability: number): number => uncensored(summary, probability);
  const factor = Math.exp(centre.log - meanOf(logs));
  return spread((probability) => own(probability) * factor);
}

/** The quantile of all tries, those included that were stopped before they ended: they lie beyond what did end. */
function uncensored(summary: Summary, probability: number): number {
  const { times, censored } = summary;
  const share = times.count / (times.count + censored.count);
  return probability <= share
    ? times.quantile(probability / share)
    : Math.max(times.quantile(1), censored.quantile((probability - share) / (1 - share)));
}

function spread(quantile: (probability: number) => number): number[] {
  return Array.from({ length: QUANTILES }, (_, index) => quantile((index + 0.5) / QUANTILES));
}

function boundOf(levels: readonly Level[], share: 0.05 | 0.01): number | null {
  for (const { name, summary } of levels) {
    const bound = name === "global" ? null : summary.recent.bound(share);
    if (bound !== null) {
      // Where tries were stopped, what completed says too little: a bound below that would tighten itself.
      const stopped = summary.censored.count / (summary.count + summary.censored.count);
      return stopped > share ? Math.max(Math.exp(bound), summary.censored.quantile(1)) : Math.exp(bound);
    }
  }
  return null;
}

/** The sketch may be off by 1 %, the bounds are exact: one must not contradict the other. */
function notBelow(leastMs: number, bound: number | null): number | null {
  return bound === null ? null : Math.max(leastMs, bound);
}

function rateOf({ first }: Summary): number {
  return (1 + first.completed) / (2 + first.completed + first.failed);
}

function waitOf(levels: readonly Level[]): number {
  const known = levels.find(({ summary }) => summary.sums.queued > 0)?.summary.sums;
  return known ? known.queueMs / known.queued : 0;
}

function weightOf({ count, sums }: Summary, now: number): number {
  const ageDays = Math.max(0, Math.floor((now - sums.lastAt) / DAY_MS));
  return count * 0.5 ** (ageDays / HALF_LIFE_DAYS);
}

function middle(quantiles: readonly number[]): number | undefined {
  const half = quantiles.length >> 1;
  const [below, above] = [quantiles[half - 1], quantiles[half]];
  return below !== undefined && above !== undefined ? Math.sqrt(below * above) : undefined;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function at(sorted: readonly number[], probability: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(probability * sorted.length))] ?? 0;
}

/** Within 0.00045 of the quantile of the normal distribution (Abramowitz and Stegun, 26.2.23). */
function normalQuantile(probability: number): number {
  const tail = Math.min(probability, 1 - probability);
  const t = Math.sqrt(-2 * Math.log(tail));
  const z =
    t -
    (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t ** 3);
  return probability < 0.5 ? -z : z;
}
