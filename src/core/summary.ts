import { isObject, type Json } from "./json.ts";
import { Recent } from "./recent.ts";
import { LEAST_VALUE, MOST_VALUE, Sketch } from "./sketch.ts";

/** How one try went. */
export interface Sample {
  /** When it ended, in milliseconds since the epoch. */
  readonly at: number;
  readonly outcome: "completed" | "failed" | "timed_out";
  /** Milliseconds that it ran; of one that timed out, when it was stopped. Left out where it was not measured as a whole. */
  readonly runMs?: number | undefined;
  /** Milliseconds from when it could run to when it did. */
  readonly queueMs?: number | undefined;
  /** The code of the failure that it followed, if it is a retry: what it tells is how such failures end. */
  readonly after?: string | undefined;
  /** US dollars; null if a price is unknown. Default 0. */
  readonly costUsd?: number | null | undefined;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
}

/** Why a sample was not taken: it says nothing that could be believed. */
export type Refused = "bad time" | "negative" | "not finite" | "absurd";

/** How often tries ended well. The posterior of the rate is Beta(1 + completed, 1 + failed). */
export interface Tally {
  completed: number;
  failed: number;
}

/** Codes of errors that are told apart; the others are counted together. */
const MAX_CODES = 16;
const OTHER = "OTHER";
const MOST_MONEY = 1e9;
/** No try costs more. */
const MOST_COST = 1e5;
const MOST_COUNT = 1e12;
/** The clock of 2001 to 2100. */
const FIRST_AT = 978_307_200_000;
const LAST_AT = 4_102_444_800_000;

/** What is added up. */
interface Sums {
  count: number;
  mean: number;
  m2: number;
  queued: number;
  queueMs: number;
  priced: number;
  unpriced: number;
  costUsd: number;
  inputTokens: number;
  outputTokens: number;
  firstAt: number;
  lastAt: number;
}

const LIMITS: Readonly<Record<keyof Sums, readonly [number, number]>> = {
  count: [0, MOST_COUNT],
  mean: [Math.log(LEAST_VALUE), Math.log(MOST_VALUE)],
  m2: [0, MOST_COUNT],
  queued: [0, MOST_COUNT],
  queueMs: [0, MOST_COUNT * 1e3],
  priced: [0, MOST_COUNT],
  unpriced: [0, MOST_COUNT],
  costUsd: [0, MOST_MONEY],
  inputTokens: [0, MOST_COUNT * 1e3],
  outputTokens: [0, MOST_COUNT * 1e3],
  firstAt: [0, LAST_AT],
  lastAt: [0, LAST_AT],
};

/**
 * What tries of one kind of work told, in a form that adds up across workers and databases.
 *
 * `merge` of two summaries is as if one had been given all samples: for counts, sums, mean and variance up to rounding,
 * for the sketches and tallies exactly, in any order and grouping. What depends on the order of the samples (moving
 * average, drift, bounds: see {@link Recent}) takes the summary whose last sample is older as the earlier one, and of the later
 * one at most its last 200 samples; merging is commutative there too, and associative where the summaries do not overlap
 * in time. Merging the same summary twice counts it twice.
 */
export class Summary {
  readonly #sums: Sums = {
    count: 0,
    mean: 0,
    m2: 0,
    queued: 0,
    queueMs: 0,
    priced: 0,
    unpriced: 0,
    costUsd: 0,
    inputTokens: 0,
    outputTokens: 0,
    firstAt: 0,
    lastAt: 0,
  };
  /** Run times of tries that completed. */
  readonly times: Sketch = new Sketch();
  /** How long those ran that timed out: their work takes longer than that. */
  readonly censored: Sketch = new Sketch();
  /** How first tries ended. */
  readonly first: Tally = { completed: 0, failed: 0 };
  /** How tries ended that followed a failure, by its code. */
  readonly retries: Map<string, Tally> = new Map();
  #recent = new Recent();

  /** The last samples, and what follows them. */
  get recent(): Recent {
    return this.#recent;
  }

  get count(): number {
    return this.#sums.count;
  }

  /** Mean of the natural logarithm of the run time in milliseconds. */
  get mean(): number {
    return this.#sums.mean;
  }

  /** Variance of that, unbiased; 0 with fewer than two samples. */
  get variance(): number {
    return this.count > 1 ? this.#sums.m2 / (this.count - 1) : 0;
  }

  /** Sum of the squared distances from the mean. */
  get m2(): number {
    return this.#sums.m2;
  }

  /** Everything that was added up. */
  get sums(): Readonly<Sums> {
    return this.#sums;
  }

  /** Tries, whatever became of them. */
  get tries(): number {
    let tries = this.first.completed + this.first.failed;
    for (const { completed, failed } of this.retries.values()) {
      tries += completed + failed;
    }
    return tries;
  }

  /** Adds a sample, or says why it is not to be believed; then nothing is changed. */
  add(sample: Sample): Refused | undefined {
    const refused = problemOf(sample);
    if (refused) {
      return refused;
    }
    const { outcome, runMs, queueMs, after, costUsd = 0 } = sample;
    const sums = this.#sums;
    const tally = after === undefined ? this.first : this.#tally(after);
    if (outcome === "completed") {
      tally.completed += 1;
    } else {
      tally.failed += 1;
    }
    if (runMs !== undefined && outcome === "completed") {
      this.#addTime(Math.max(runMs, LEAST_VALUE));
    } else if (runMs !== undefined && outcome === "timed_out") {
      this.censored.add(runMs);
    }
    if (queueMs !== undefined) {
      sums.queued += 1;
      sums.queueMs += queueMs;
    }
    if (costUsd === null) {
      sums.unpriced += 1;
    } else {
      sums.priced += 1;
      sums.costUsd += costUsd;
    }
    sums.inputTokens += sample.inputTokens ?? 0;
    sums.outputTokens += sample.outputTokens ?? 0;
    sums.firstAt = sums.firstAt === 0 ? sample.at : Math.min(sums.firstAt, sample.at);
    sums.lastAt = Math.max(sums.lastAt, sample.at);
    return undefined;
  }

  /** Notes how long a try had waited, apart from how it went. */
  addQueueWait(queueMs: number): void {
    if (queueMs >= 0 && queueMs <= MOST_VALUE) {
      this.#sums.queued += 1;
      this.#sums.queueMs += queueMs;
    }
  }

  /** Welford, 1962. */
  #addTime(runMs: number): void {
    const sums = this.#sums;
    const log = Math.log(runMs);
    sums.count += 1;
    const off = log - sums.mean;
    sums.mean += off / sums.count;
    sums.m2 += off * (log - sums.mean);
    this.times.add(runMs);
    this.#recent.add(log);
  }

  #tally(code: string): Tally {
    const known = this.retries.get(code);
    if (known) {
      return known;
    }
    const name = this.retries.size < MAX_CODES - 1 ? code : OTHER;
    const tally = this.retries.get(name) ?? { completed: 0, failed: 0 };
    this.retries.set(name, tally);
    return tally;
  }

  /** A new summary of what both have seen. Neither is changed. */
  static merge(a: Summary, b: Summary): Summary {
    const [earlier, later] = isEarlier(a, b) ? [a, b] : [b, a];
    const merged = new Summary();
    merged.#take(earlier);
    merged.#take(later);
    merged.#recent = earlier.#recent.clone();
    merged.#recent.addAll(later.#recent);
    return merged;
  }

  #take(other: Summary): void {
    const sums = this.#sums;
    const from = other.#sums;
    const count = sums.count + from.count;
    const off = from.mean - sums.mean;
    const share = count === 0 ? 0 : from.count / count;
    // Chan, Golub and LeVeque, 1979.
    sums.m2 += off * off * sums.count * share;
    sums.mean += off * share;
    for (const key of ADDED) {
      sums[key] += from[key];
    }
    sums.firstAt =
      sums.firstAt && from.firstAt ? Math.min(sums.firstAt, from.firstAt) : sums.firstAt || from.firstAt;
    sums.lastAt = Math.max(sums.lastAt, from.lastAt);
    this.times.merge(other.times);
    this.censored.merge(other.censored);
    addTally(this.first, other.first);
    for (const [code, tally] of other.retries) {
      addTally(this.#tally(code), tally);
    }
  }

  toJson(): Json {
    const sums = this.#sums;
    return {
      v: FORMAT,
      sums: SUMS.map((key) => sums[key]),
      times: this.times.toJson(),
      censored: this.censored.toJson(),
      first: [this.first.completed, this.first.failed],
      retries: Object.fromEntries(
        [...this.retries].map(([code, { completed, failed }]) => [code, [completed, failed]]),
      ),
      recent: this.#recent.toJson(),
    };
  }

  /**
   * Reads what {@link toJson} wrote, here or elsewhere.
   * @returns undefined for anything that it cannot have written: missing, out of bounds, not finite, or contradictory
   */
  static fromJson(value: unknown): Summary | undefined {
    if (!isObject(value) || value.v !== FORMAT || !Array.isArray(value.sums) || !isObject(value.retries)) {
      return undefined;
    }
    const given: readonly unknown[] = value.sums;
    const summary = new Summary();
    const fits = SUMS.every((key, index) => {
      const [least, most] = LIMITS[key];
      const one = given[index];
      summary.#sums[key] = one as number;
      return (
        typeof one === "number" && one >= least && one <= most && (!WHOLE.has(key) || Number.isInteger(one))
      );
    });
    const times = Sketch.fromJson(value.times);
    const censored = Sketch.fromJson(value.censored);
    const recent = Recent.fromJson(value.recent);
    const codes = Object.entries(value.retries);
    if (!fits || !times || !censored || !recent || codes.length > MAX_CODES) {
      return undefined;
    }
    const tallied =
      readTally(value.first, summary.first) &&
      codes.every(([code, tally]) => readTally(tally, summary.#tally(code)));
    summary.times.merge(times);
    summary.censored.merge(censored);
    summary.#recent = recent;
    return tallied && summary.#isConsistent() ? summary : undefined;
  }

  #isConsistent(): boolean {
    const { count, firstAt, lastAt, m2 } = this.#sums;
    const widest = Math.log(MOST_VALUE) - Math.log(LEAST_VALUE);
    return (
      count === this.times.count &&
      this.#recent.size <= count &&
      count + this.censored.count <= this.tries &&
      firstAt <= lastAt &&
      m2 <= count * widest * widest
    );
  }
}

const FORMAT = 1;
const SUMS = Object.keys(LIMITS) as (keyof Sums)[];
const ADDED = SUMS.filter((key) => key !== "mean" && key !== "firstAt" && key !== "lastAt");
const WHOLE: ReadonlySet<keyof Sums> = new Set(["count", "queued", "priced", "unpriced"]);

/** Which is taken as the earlier one; of two that differ in nothing that is told apart, either. */
function isEarlier(a: Summary, b: Summary): boolean {
  for (const key of ["lastAt", ...SUMS] as const) {
    if (a.sums[key] !== b.sums[key]) {
      return a.sums[key] < b.sums[key];
    }
  }
  return true;
}

function addTally(to: Tally, from: Tally): void {
  to.completed += from.completed;
  to.failed += from.failed;
}

function readTally(value: unknown, into: Tally): boolean {
  if (
    !Array.isArray(value) ||
    !value.every((one) => Number.isInteger(one) && one >= 0 && one <= MOST_COUNT)
  ) {
    return false;
  }
  const [completed, failed] = value as [number, number];
  addTally(into, { completed, failed });
  return value.length === 2;
}

function problemOf({ at, runMs, queueMs, costUsd, inputTokens, outputTokens }: Sample): Refused | undefined {
  if (!(at >= FIRST_AT && at <= LAST_AT)) {
    return "bad time";
  }
  for (const value of [runMs, queueMs, costUsd ?? undefined, inputTokens, outputTokens]) {
    if (value !== undefined && !Number.isFinite(value)) {
      return "not finite";
    }
    if (value !== undefined && value < 0) {
      return "negative";
    }
  }
  const absurd = Math.max(runMs ?? 0, queueMs ?? 0) > MOST_VALUE || (costUsd ?? 0) > MOST_COST;
  return absurd ? "absurd" : undefined;
}
