import { type Evidence, keyText } from "./evidence.ts";
import { type Guidance, type Lesson, MAX_LESSONS, type Pattern, QUANTILES } from "./guidance.ts";
import { capWeights, isContradiction, pool, poolLog, type Weighed, weightedMedian } from "./pool.ts";

/** What one source says of one kind of work. */
export interface Statement {
  readonly source: string;
  readonly evidence: Evidence;
}

/** What the hub has to say, but for who says it. */
export type Lessons = Pick<Guidance, "estimates" | "routing" | "patterns">;

/** After that long a sample weighs half. */
const HALF_LIFE_MS = 30 * 86_400_000;
/** Samples of one source beyond these add no weight: it knows what there is to know. */
const ENOUGH_SAMPLES = 1000;
/** A source further than this factor from the middle of three or more does not take part. */
const OUTLIER = 30;
/** Less than that many samples of a source, after all discounts, are no evidence. */
const LEAST_SAMPLES = 1;

/** A statement and what it weighs. */
interface Voice extends Statement {
  readonly weight: number;
}

/**
 * Makes of all statements what the hub has to say: a function of them and of the time alone, whatever order they came
 * in. Each weighs by its samples and their age, and none as much as all others together where there are three; the
 * figures are medians over the sources then (see `pool.ts`). Of two that contradict each other nothing is said.
 */
export function compileLessons(statements: readonly Statement[], nowMs: number): Lessons {
  const lessons: Lesson[] = [];
  const patterns: Pattern[] = [];
  for (const said of byKey(statements)) {
    const voices = weigh(said, nowMs);
    const lesson = toLesson(voices);
    if (lesson) {
      lessons.push(lesson);
      patterns.push(...toPatterns(voices));
    }
  }
  // The sort is stable: what is behind as many samples stays in the order of its key.
  const best = lessons.sort((a, b) => b.samples - a.samples);
  return {
    estimates: best.filter(({ topic }) => topic === "step").slice(0, MAX_LESSONS),
    routing: best.filter(({ topic }) => topic === "model").slice(0, MAX_LESSONS),
    patterns: patterns.sort((a, b) => b.tries - a.tries).slice(0, MAX_LESSONS),
  };
}

/** What is said of each kind of work; kinds and sources in one order, so that sums come out the same. */
function byKey(statements: readonly Statement[]): Statement[][] {
  const groups = new Map<string, Statement[]>();
  for (const statement of statements) {
    if (statement.evidence.samples > 0) {
      const key = keyText(statement.evidence);
      groups.set(key, [...(groups.get(key) ?? []), statement]);
    }
  }
  const ordered = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return ordered.map(([, said]) => said.sort((a, b) => (a.source < b.source ? -1 : 1)));
}

function weigh(said: readonly Statement[], nowMs: number): Voice[] {
  const voices = said.map((statement) => {
    const { samples, lastAt } = statement.evidence;
    // A clock that is ahead makes a sample no newer than one that is behind.
    const ageMs = Math.abs(nowMs - lastAt);
    return { ...statement, weight: Math.min(samples, ENOUGH_SAMPLES) * 0.5 ** (ageMs / HALF_LIFE_MS) };
  });
  // Who has next to nothing to say would hold the others, who may weigh twice as much at most, down to next to nothing.
  const heard = voices.filter(({ weight }) => weight >= LEAST_SAMPLES);
  const trusted = new Set(withoutOutliers(capped(heard)).map(({ source }) => source));
  return capped(heard.filter(({ source }) => trusted.has(source)));
}

function capped(voices: readonly Voice[]): Voice[] {
  const weights = capWeights(voices.map(({ weight }) => weight));
  return voices.map((voice, index) => ({ ...voice, weight: weights[index] ?? 0 }));
}

function withoutOutliers(voices: readonly Voice[]): Voice[] {
  const [one, other] = voices;
  if (voices.length === 2 && one && other) {
    const apart = isContradiction(Math.exp(one.evidence.logMean), Math.exp(other.evidence.logMean));
    return apart ? [] : [...voices];
  }
  const middle = weightedMedian(over(voices, ({ logMean }) => logMean)) ?? 0;
  return voices.filter(({ evidence }) => Math.abs(evidence.logMean - middle) <= Math.log(OUTLIER));
}

function over(voices: readonly Voice[], read: (evidence: Evidence) => number): Weighed[] {
  return voices.map(({ evidence, weight }) => ({ value: read(evidence), weight }));
}

function toLesson(voices: readonly Voice[]): Lesson | undefined {
  const [first] = voices;
  const samples = voices.reduce((sum, { weight }) => sum + weight, 0);
  if (!first) {
    return undefined;
  }
  // Quantile by quantile, and not of all sketches together: there half of one source's values could be made up.
  const quantileMs = (share: number): number =>
    rounded(poolLog(over(voices, (evidence) => quantileOf(evidence, share))) ?? 0);
  const quantilesMs = Array.from({ length: QUANTILES }, (_, index) => quantileMs((index + 0.5) / QUANTILES));
  const { topic, kind, model } = first.evidence;
  return {
    topic,
    kind,
    model,
    samples: coarse(samples),
    sources: voices.length,
    only: voices.length === 1 ? first.source : null,
    medianMs: quantileMs(0.5),
    meanMs: rounded(quantilesMs.reduce((sum, ms) => sum + ms, 0) / QUANTILES),
    sigma: pooled(over(voices, ({ logVariance }) => Math.sqrt(logVariance))),
    quantilesMs,
    ...rateOf(voices),
    costUsd: costOf(voices),
    inputTokens: pooled(over(voices, ({ inputTokens }) => inputTokens)),
    outputTokens: pooled(over(voices, ({ outputTokens }) => outputTokens)),
  };
}

/** Where only moments are known, as if the times were lognormal. */
function quantileOf({ times, logMean, logVariance }: Evidence, share: number): number {
  if (times.count > 0) {
    return times.quantile(share);
  }
  // Tukey's lambda in place of the normal quantile: off by less than 0.005.
  const z = 4.91 * (share ** 0.14 - (1 - share) ** 0.14);
  return Math.exp(logMean + z * Math.sqrt(logVariance));
}

/** Of each source the mean of the posterior over Beta(1, 1); who has judged nothing has no say. */
function rateOf(voices: readonly Voice[]): Pick<Lesson, "successRate" | "judged"> {
  const judges = voices.map(({ evidence: { successes, failures }, weight }) => ({
    value: (successes + 1) / (successes + failures + 2),
    weight: Math.min(weight, successes + failures),
  }));
  const capped = capWeights(judges.map(({ weight }) => weight));
  const fair = judges.map(({ value }, index) => ({ value, weight: capped[index] ?? 0 }));
  return {
    successRate: rounded(pool(fair) ?? 0.5),
    judged: coarse(fair.reduce((sum, { weight }) => sum + weight, 0)),
  };
}

function costOf(voices: readonly Voice[]): number | null {
  const priced = voices.flatMap(({ evidence: { costUsd }, weight }) =>
    costUsd && costUsd.samples > 0 ? [{ value: costUsd.mean, weight }] : [],
  );
  return priced.length > 0 ? pooled(priced) : null;
}

/** What is known of errors: rates as medians over the sources, on no more tries than weigh. */
function toPatterns(voices: readonly Voice[]): Pattern[] {
  const [first] = voices;
  if (first?.evidence.topic !== "step" || first.evidence.model !== "") {
    return [];
  }
  const codes = new Set(voices.flatMap(({ evidence }) => evidence.retries.map(({ code }) => code)));
  return [...codes].sort().map((code) => {
    const counts = voices.flatMap(({ evidence, weight }) =>
      evidence.retries
        .filter((one) => one.code === code && one.tries > 0)
        .map(({ tries, completed }) => ({ weight: Math.min(weight, tries), value: completed / tries })),
    );
    const capped = capWeights(counts.map(({ weight }) => weight));
    const fair = counts.map(({ value }, index) => ({ value, weight: capped[index] ?? 0 }));
    const tries = coarse(fair.reduce((sum, { weight }) => sum + weight, 0));
    return {
      kind: first.evidence.kind,
      code,
      tries,
      completed: Math.min(tries, rounded(pooled(fair) * tries)),
    };
  });
}

function pooled(weighed: readonly Weighed[]): number {
  return rounded(pool(weighed) ?? 0);
}

/** To four digits: what differs by less is nothing new, and is not sent again. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** Weights fade from minute to minute: two digits of them are enough. */
function coarse(weight: number): number {
  return Number(weight.toPrecision(2));
}
