import { nameProblem } from "../core/names.ts";
import { Sketch } from "../core/sketch.ts";

/** What evidence is about: how a step runs, or how a model does on a kind of request. */
export type Topic = "step" | "model";

/** Which statistics: those of one step (`model` where it is told apart by model), or of one model on one task type. */
export interface EvidenceKey {
  readonly topic: Topic;
  /** The step's name, or the task type. */
  readonly kind: string;
  /** "provider/model"; empty for a step whatever the model. */
  readonly model: string;
}

/** A mean, and from how many. */
export interface MeanOf {
  readonly samples: number;
  readonly mean: number;
}

/** How often a try after an error of one code was made, and how often it completed. */
export interface RetryCount {
  readonly code: string;
  readonly tries: number;
  readonly completed: number;
}

/**
 * All that one database knows of one kind of work, from the beginning until now. It is a state and no difference: the
 * next one replaces it, so nothing is lost with a message and nothing counts twice.
 */
export interface Evidence extends EvidenceKey {
  /** Completed tries behind the run times; 0: nothing any more. */
  readonly samples: number;
  /** Mean of the natural logarithm of the milliseconds that a completed try took, and its variance. */
  readonly logMean: number;
  readonly logVariance: number;
  /** The run times; empty for a model, of whose answers only mean and variance are kept. */
  readonly times: Sketch;
  readonly successes: number;
  readonly failures: number;
  /** US dollars of a try; null where prices are unknown. */
  readonly costUsd: MeanOf | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly retries: readonly RetryCount[];
  /** When the newest of it was measured; milliseconds since the epoch. */
  readonly lastAt: number;
}

/** What numbers may be at all. Beyond it is no measurement, but a mistake or worse. */
export const BOUNDS = {
  samples: 1e9,
  /** From a microsecond to a year. */
  ms: { least: 1e-3, most: 31_536_000_000 },
  logVariance: 36,
  costUsd: 1e5,
  tokens: 1e8,
  retries: 32,
  /** The years 2020 to 2200. */
  lastAt: { least: 1_577_836_800_000, most: 7_258_118_400_000 },
} as const;

/** Sketch and moments of one message say the same, or it was put together wrongly (two units, say). */
const SAME_WITHIN = { logMs: 3, share: 0.1, count: 2 } as const;

/** A key as text, for maps: names hold no line break. */
export function keyText({ topic, kind, model }: EvidenceKey): string {
  return `${topic}\n${kind}\n${model}`;
}

/** Reads what somebody else wrote. A text is the reason why it is not believed. */
export function readEvidence(value: unknown): Evidence | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "no object";
  }
  const given = value as Readonly<Record<string, unknown>>;
  const key = readKey(given);
  if (typeof key === "string") {
    return key;
  }
  const times = Sketch.fromJson(given.times);
  const costUsd = readCost(given.costUsd);
  const retries = readRetries(given.retries);
  if (!times || costUsd === undefined || !retries) {
    return times ? "costs or retries out of bounds" : "a sketch that is none";
  }
  const evidence = { ...key, ...readNumbers(given), times, costUsd, retries };
  return problemOf(evidence) ?? evidence;
}

/** @returns a reason instead where it is no key */
export function readKey(given: Readonly<Record<string, unknown>>): EvidenceKey | string {
  const { topic, kind, model } = given;
  if (topic !== "step" && topic !== "model") {
    return "an unknown topic";
  }
  if (nameProblem(kind) !== undefined) {
    return "a kind that is no name";
  }
  const known = typeof model === "string" && (model === "" ? topic === "step" : MODEL.test(model));
  return known ? { topic, kind: kind as string, model } : "a model that is no name";
}

/** "provider/model"; names of models have slashes, dots and colons of their own. */
const MODEL = /^[A-Za-z_][\w.-]{0,63}\/[\w][\w.:/@+-]{0,190}$/;

const NUMBERS = [
  "samples",
  "logMean",
  "logVariance",
  "successes",
  "failures",
  "inputTokens",
  "outputTokens",
  "lastAt",
] as const;
type Numbers = Pick<Evidence, (typeof NUMBERS)[number]>;

function readNumbers(given: Readonly<Record<string, unknown>>): Numbers {
  const numbers = NUMBERS.map((name) => {
    const value = given[name];
    return [name, typeof value === "number" ? value : Number.NaN] as const;
  });
  return Object.fromEntries(numbers) as unknown as Numbers;
}

/** Whether a number is finite and between the two. */
export function within(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && value >= least && value <= most;
}

function problemOf(evidence: Evidence): string | undefined {
  const { samples, logMean, logVariance, successes, failures, inputTokens, outputTokens, lastAt } = evidence;
  const counts = [samples, successes, failures].every((count) => within(count, 0, BOUNDS.samples));
  const tokens = [inputTokens, outputTokens].every((count) => within(count, 0, BOUNDS.tokens));
  if (!(counts && tokens)) {
    return "counts out of bounds";
  }
  if (!within(lastAt, BOUNDS.lastAt.least, BOUNDS.lastAt.most)) {
    return "a time out of bounds";
  }
  if (samples === 0) {
    return undefined;
  }
  const measured = within(logMean, Math.log(BOUNDS.ms.least), Math.log(BOUNDS.ms.most));
  if (!(measured && within(logVariance, 0, BOUNDS.logVariance))) {
    return "run times out of bounds";
  }
  return contradictsItself(evidence) ? "a sketch and moments that contradict each other" : undefined;
}

function contradictsItself({ topic, samples, times, logMean, logVariance }: Evidence): boolean {
  if (times.count === 0) {
    return topic === "step";
  }
  // A median is within one standard deviation of its mean, whatever the distribution.
  const off = Math.abs(Math.log(times.quantile(0.5)) - logMean) - Math.sqrt(logVariance);
  const missing = Math.abs(times.count - samples) - SAME_WITHIN.share * samples;
  return off > SAME_WITHIN.logMs || missing > SAME_WITHIN.count;
}

function readCost(value: unknown): MeanOf | null | undefined {
  if (value === null || value === undefined) {
    return null;
  }
  const { samples, mean } = value as Partial<MeanOf>;
  return within(samples, 0, BOUNDS.samples) && within(mean, 0, BOUNDS.costUsd)
    ? { samples, mean }
    : undefined;
}

const CODE = /^[A-Za-z][\w.:-]{0,63}$/;

export function isErrorCode(code: unknown): code is string {
  return typeof code === "string" && CODE.test(code);
}

function readRetries(value: unknown): RetryCount[] | undefined {
  if (!Array.isArray(value) || value.length > BOUNDS.retries) {
    return undefined;
  }
  const read = value.map((one: Partial<RetryCount> | null) => {
    const { code, tries, completed } = one ?? {};
    const counted = within(tries, 0, BOUNDS.samples) && within(completed, 0, tries);
    return isErrorCode(code) && counted ? { code, tries, completed } : undefined;
  });
  return read.every((one) => one !== undefined) ? read : undefined;
}

/** As it travels: what {@link readEvidence} reads. */
export function evidenceJson({ times, ...rest }: Evidence): object {
  return { ...rest, times: times.toJson() };
}
