import { isObject, type Json } from "./json.ts";

/** Samples that the window holds. */
export const WINDOW = 200;
/** Steps of the adaptive levels: Gibbs and Candès, Adaptive Conformal Inference Under Distribution Shift, 2021. */
const GAMMA = 0.02;
/** Weight of the newest sample in the average that follows, and in the slow one that it is compared with. */
const FAST = 0.1;
const SLOW = 0.02;
/** Page-Hinkley on standardised residuals: what is tolerated, and the sum that says that something has changed. */
const TOLERATED = 0.25;
const CHANGED = 20;
const LEAST_SPREAD = 0.02;
/** How far a level may be driven beyond what the window can answer. */
const MOST_LEVEL = 0.5;
/** Logarithms are kept as whole thousandths: 0.1 % of the value. */
const SCALE = 1000;

/** The share of samples that a bound may miss. */
export type Share = 0.05 | 0.01;

/**
 * The last samples of a series of run times, in order, and what follows them one by one: a moving average, a score of
 * change, and bounds that 95 % and 99 % of the next samples stay below whatever the series does in the long run.
 */
export class Recent {
  /** Thousandths of natural logarithms, oldest first. */
  readonly #window: number[] = [];
  readonly #sorted: number[] = [];
  #seen = 0;
  #fast = 0;
  #slow = 0;
  #variance = 0;
  #up = 0;
  #down = 0;
  #levels: Record<Share, number> = { 0.05: 0.05, 0.01: 0.01 };

  get size(): number {
    return this.#window.length;
  }

  /** Moving average of the logarithms. */
  get average(): number {
    return this.#fast / SCALE;
  }

  /** 1 and more: the series has changed lately (Page, 1954; Hinkley, 1971). */
  get drift(): number {
    return Math.max(this.#up, this.#down) / CHANGED;
  }

  /** The logarithms of the window, ascending. */
  logs(): number[] {
    return this.#sorted.map((value) => value / SCALE);
  }

  /** @param log natural logarithm of a run time */
  add(log: number): void {
    this.#take(Math.round(log * SCALE));
  }

  /** Adds what another window holds, oldest first. */
  addAll(later: Recent): void {
    for (const value of [...later.#window]) {
      this.#take(value);
    }
  }

  #take(value: number): void {
    this.#judge(0.05, value);
    this.#judge(0.01, value);
    this.#follow(value);
    this.#window.push(value);
    this.#sorted.splice(placeOf(this.#sorted, value), 0, value);
    if (this.#window.length > WINDOW) {
      const oldest = this.#window.shift() as number;
      this.#sorted.splice(placeOf(this.#sorted, oldest), 1);
    }
  }

  /** The bound moves by what the sample did: below it a little down, above it up. */
  #judge(share: Share, value: number): void {
    const bound = this.#boundOf(share);
    if (bound !== null) {
      const miss = value > bound ? 1 : 0;
      const level = this.#levels[share] + GAMMA * (share - miss);
      this.#levels[share] = Math.min(MOST_LEVEL, Math.max(-MOST_LEVEL, level));
    }
  }

  #follow(value: number): void {
    this.#seen += 1;
    const spread = Math.max(Math.sqrt(this.#variance), LEAST_SPREAD * SCALE);
    if (this.#seen > 10) {
      const residual = (value - this.#slow) / spread;
      // One odd sample is no change.
      const held = Math.min(4, Math.max(-4, residual));
      this.#up = Math.max(0, this.#up + held - TOLERATED);
      this.#down = Math.max(0, this.#down - held - TOLERATED);
    }
    const off = value - this.#slow;
    this.#fast += (value - this.#fast) * Math.max(FAST, 1 / this.#seen);
    this.#slow += off * Math.max(SLOW, 1 / this.#seen);
    this.#variance += (off * (value - this.#slow) - this.#variance) * Math.max(SLOW, 1 / this.#seen);
  }

  /**
   * What all but `share` of the next samples stay below, as a logarithm; null where the window is too small to tell.
   */
  bound(share: Share): number | null {
    const bound = this.#boundOf(share);
    return bound === null ? null : bound / SCALE;
  }

  #boundOf(share: Share): number | null {
    const n = this.#sorted.length;
    if ((n + 1) * share < 1) {
      return null;
    }
    const level = this.#levels[share];
    const rank = Math.ceil((n + 1) * (1 - level));
    if (rank <= n) {
      return this.#sorted[Math.max(0, rank - 1)] as number;
    }
    // Beyond the largest sample there is only the way that the last ones went: on by as much as the level asks.
    const largest = this.#sorted[n - 1] as number;
    const middle = this.#sorted[n >> 1] as number;
    const beyond = 1 / (n + 1) - level;
    return largest + Math.max(largest - middle, LEAST_SPREAD * SCALE) * beyond * 10;
  }

  clone(): Recent {
    const copy = new Recent();
    copy.#window.push(...this.#window);
    copy.#sorted.push(...this.#sorted);
    copy.#seen = this.#seen;
    copy.#fast = this.#fast;
    copy.#slow = this.#slow;
    copy.#variance = this.#variance;
    copy.#up = this.#up;
    copy.#down = this.#down;
    copy.#levels = { ...this.#levels };
    return copy;
  }

  toJson(): Json {
    return {
      window: this.#window,
      seen: this.#seen,
      follows: [this.#fast, this.#slow, this.#variance].map(Math.round),
      change: [this.#up, this.#down].map(round),
      levels: [this.#levels[0.05], this.#levels[0.01]].map((level) => Math.round(level * 1e6) / 1e6),
    };
  }

  /** @returns undefined for what cannot have been written */
  static fromJson(value: unknown): Recent | undefined {
    if (!isObject(value)) {
      return undefined;
    }
    const window = numbers(value.window, { most: WINDOW, within: 1e6 });
    const follows = numbers(value.follows, { exactly: 3, within: 1e12 });
    const change = numbers(value.change, { exactly: 2, within: 1e9 });
    const levels = numbers(value.levels, { exactly: 2, within: MOST_LEVEL });
    const { seen } = value;
    if (
      !window ||
      !follows ||
      !change ||
      !levels ||
      !Number.isInteger(seen) ||
      (seen as number) < window.length
    ) {
      return undefined;
    }
    const recent = new Recent();
    recent.#window.push(...window);
    recent.#sorted.push(...window.toSorted((a, b) => a - b));
    recent.#seen = seen as number;
    [recent.#fast, recent.#slow, recent.#variance] = follows as [number, number, number];
    [recent.#up, recent.#down] = change as [number, number];
    recent.#levels = { 0.05: levels[0] as number, 0.01: levels[1] as number };
    return recent;
  }
}

function placeOf(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function numbers(
  value: unknown,
  rule: { exactly?: number; most?: number; within: number },
): number[] | undefined {
  const fits =
    Array.isArray(value) &&
    (rule.exactly === undefined || value.length === rule.exactly) &&
    (rule.most === undefined || value.length <= rule.most) &&
    value.every((one) => typeof one === "number" && Math.abs(one) <= rule.within);
  return fits ? (value as number[]) : undefined;
}
