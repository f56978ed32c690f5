/**
 * What past runs tell of one kind of work, for planning.
 *
 * A kind of work is a step, told from others by its step key; see `EstimateKey`.
 */
export interface Estimate {
  /** Completed tries behind it, discounted by age. 0: nothing is known, and the rest are defaults. */
  readonly samples: number;
  /** The middle of the run time of one try that completes, in milliseconds, without the wait in the queue. */
  readonly medianMs: number;
  /** Its mean. */
  readonly meanMs: number;
  /** Standard deviation of the natural logarithm of the run time. */
  readonly sigma: number;
  /**
   * Run times in milliseconds at evenly spaced probabilities (0.5 / n, 1.5 / n, …), ascending; for simulation. Empty
   * where nothing is known.
   */
  readonly quantilesMs: readonly number[];
  /** What 95 % of the tries stay below, held to that under drift (adaptive conformal); null with too few samples. */
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** Mean of the posterior that a try completes, 0 to 1. */
  readonly successRate: number;
  /** By error code: how likely a try after such a failure completes, and from how many. */
  readonly retries: Readonly<Record<string, { readonly successRate: number; readonly samples: number }>>;
  /** Mean US dollars of a try; null where a price is unknown. 0 for work that calls no model. */
  readonly costUsd: number | null;
  /** Mean wait in the queue, in milliseconds. */
  readonly queueWaitMs: number;
  /** 0: as always; 1 and more: it has changed lately, and the older samples tell little. */
  readonly drift: number;
  /** Where it comes from, the most specific level that told anything. */
  readonly level: "step" | "model" | "kind" | "fleet" | "global" | "default";
}

/** What an estimate is asked for. */
export interface EstimateKey {
  /** The step's name: its kind. */
  readonly step: string;
  /** The task of a graph that recurs: id and step under one goal's shape. Left out: by the step alone. */
  readonly task?: string | undefined;
  /** For steps that call models: "provider/model". */
  readonly model?: string | undefined;
  /** log2 of the bytes of its input, where they are known. */
  readonly sizeBucket?: number | undefined;
}

/** A snapshot of what is known: the same key has the same answer as long as it lives. */
export interface Estimates {
  /** Equal for equal content; kept with every decision. */
  readonly snapshotId: string;
  /** Never fails: unknown work has the defaults. */
  of(key: EstimateKey): Estimate;
}

/** The estimate of work that nobody has seen: a second, give or take. */
export const UNKNOWN_WORK: Estimate = {
  samples: 0,
  medianMs: 1000,
  meanMs: 1650,
  sigma: 1,
  quantilesMs: [],
  p95Ms: null,
  p99Ms: null,
  successRate: 1,
  retries: {},
  costUsd: null,
  queueWaitMs: 0,
  drift: 0,
  level: "default",
};

/** What is known before anything has run: nothing. */
export const NO_ESTIMATES: Estimates = { snapshotId: "none", of: () => UNKNOWN_WORK };
