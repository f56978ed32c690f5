import { BOUNDS, type EvidenceKey, isErrorCode, type RetryCount, readKey, within } from "./evidence.ts";
import { FORMAT, isUuid } from "./publication.ts";

/** What the fleet knows of one kind of work. */
export interface Lesson extends EvidenceKey {
  /** Samples behind it, those of each source discounted by age and capped. */
  readonly samples: number;
  readonly sources: number;
  /** The source, where it is only one: to that one it is no news. */
  readonly only: string | null;
  readonly medianMs: number;
  readonly meanMs: number;
  /** Standard deviation of the natural logarithm of the run time. */
  readonly sigma: number;
  /** At evenly spaced probabilities (0.5 / n, 1.5 / n, …), ascending. */
  readonly quantilesMs: readonly number[];
  /** Mean of the posterior of the rate of success, and judged tries behind it, counted as samples are. */
  readonly successRate: number;
  readonly judged: number;
  readonly costUsd: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What a try after an error of some kind is worth: `completed` of `tries` did. */
export interface Pattern extends RetryCount {
  readonly kind: string;
}

/**
 * What the hub sends down: all that it has to say. It is a state and no difference, so the newest is enough.
 * `estimates` are about steps, `routing` about models by task type, `patterns` about errors.
 */
export interface Guidance {
  readonly format: number;
  /** The id of the hub's database. */
  readonly hub: string;
  /** Its place in the channel: what stands elsewhere is a copy, and older than what it stands behind. */
  readonly version: number;
  readonly estimates: readonly Lesson[];
  readonly routing: readonly Lesson[];
  readonly patterns: readonly Pattern[];
}

/** Quantiles of a lesson. */
export const QUANTILES = 24;
/** Lessons of one message. */
export const MAX_LESSONS = 4000;

/** Guidance as it was read, and why parts of it are not believed. */
export interface ReadGuidance {
  readonly guidance: Guidance;
  readonly ignored: readonly string[];
}

/** Reads what was sent as the hub's. A text is the reason why all of it is ignored. */
export function readGuidance(
  payload: unknown,
  expected: { hub: string; version: number },
): ReadGuidance | string {
  const given = (payload ?? {}) as Partial<Record<keyof Guidance, unknown>>;
  const { hub, version, estimates, routing, patterns } = given;
  if (given.format !== FORMAT) {
    return "a format that is not understood";
  }
  if (!isUuid(hub) || hub !== expected.hub) {
    return "another hub's";
  }
  if (version !== expected.version) {
    return "a version that is not its place in the channel";
  }
  const lists = [estimates, routing, patterns];
  if (!lists.every((list) => Array.isArray(list) && list.length <= MAX_LESSONS)) {
    return "too many entries, or none";
  }
  const ignored: string[] = [];
  const lessons = (list: unknown, topic: string): Lesson[] =>
    keepRead(list as unknown[], ignored, (value) => {
      const lesson = readLesson(value);
      return typeof lesson === "string" || lesson.topic === topic ? lesson : "an entry in the wrong place";
    });
  const guidance: Guidance = {
    format: FORMAT,
    hub,
    version: expected.version,
    estimates: lessons(estimates, "step"),
    routing: lessons(routing, "model"),
    patterns: keepRead(patterns as unknown[], ignored, readPattern),
  };
  return { guidance, ignored };
}

function keepRead<T extends object>(
  list: readonly unknown[],
  ignored: string[],
  read: (value: unknown) => T | string,
): T[] {
  return list.flatMap((value) => {
    const one = read(value);
    if (typeof one !== "string") {
      return [one];
    }
    ignored.push(one);
    return [];
  });
}

function readLesson(value: unknown): Lesson | string {
  const given = (typeof value === "object" && value !== null ? value : {}) as Readonly<
    Record<string, unknown>
  >;
  const key = readKey(given);
  if (typeof key === "string") {
    return key;
  }
  const { samples, sources, only, sigma, successRate, judged, costUsd, inputTokens, outputTokens } = given;
  const counted =
    within(samples, 0, BOUNDS.samples) &&
    within(sources, 1, BOUNDS.samples) &&
    within(judged, 0, BOUNDS.samples) &&
    within(inputTokens, 0, BOUNDS.tokens) &&
    within(outputTokens, 0, BOUNDS.tokens);
  if (!counted) {
    return "counts out of bounds";
  }
  const priced = costUsd === null || within(costUsd, 0, BOUNDS.costUsd);
  if (!(priced && within(successRate, 0, 1) && (only === null || isUuid(only)))) {
    return "costs or rates out of bounds";
  }
  const times = readTimes(given);
  if (!times || !within(sigma, 0, Math.sqrt(BOUNDS.logVariance))) {
    return "run times out of bounds";
  }
  const facts = { samples, sources, only, sigma, successRate, judged, costUsd, inputTokens, outputTokens };
  return { ...key, ...facts, ...times };
}

/** Run times that agree with each other; undefined for others. */
function readTimes(
  given: Readonly<Record<string, unknown>>,
): Pick<Lesson, "medianMs" | "meanMs" | "quantilesMs"> | undefined {
  const { medianMs, meanMs, quantilesMs } = given;
  if (!Array.isArray(quantilesMs) || quantilesMs.length !== QUANTILES) {
    return undefined;
  }
  const inRange = [medianMs, meanMs, ...quantilesMs].every((ms) =>
    within(ms, BOUNDS.ms.least, BOUNDS.ms.most),
  );
  const ascends = quantilesMs.every((ms, index) => index === 0 || ms >= quantilesMs[index - 1]);
  const [least, most] = [quantilesMs[0], quantilesMs.at(-1)] as [number, number];
  if (!(inRange && ascends && within(medianMs, least, most) && within(meanMs, least, most))) {
    return undefined;
  }
  return { medianMs, meanMs, quantilesMs: quantilesMs as number[] };
}

function readPattern(value: unknown): Pattern | string {
  const { kind, code, tries, completed } = (value ?? {}) as Partial<Record<keyof Pattern, unknown>>;
  const key = readKey({ topic: "step", kind, model: "" });
  if (typeof key === "string") {
    return key;
  }
  if (!within(tries, 0, BOUNDS.samples) || !within(completed, 0, tries)) {
    return "counts out of bounds";
  }
  return isErrorCode(code) ? { kind: key.kind, code, tries, completed } : "an error code that is none";
}
