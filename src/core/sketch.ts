import { DDSketch } from "@datadog/sketches-js";
import type { Json } from "./json.ts";

/** Quantiles are within this share of a value that was added. */
export const SKETCH_ERROR = 0.01;
/** What is smaller is counted as this: run times below it are noise. */
export const LEAST_VALUE = 0.01;
/** What is larger is counted as this: 60 days in milliseconds. */
export const MOST_VALUE: number = 60 * 86_400_000;
/** Bins that values between the two can fall into. */
const MAX_BINS = 1600;
const MAX_COUNT = 1e12;

/**
 * A mergeable sketch of positive values (DDSketch: Masson, Rim and Lee, VLDB 2019): any quantile within 1 %, in at most
 * 1600 bins. Merging adds counts: in any order and grouping it is as if all values had been added to one.
 */
export class Sketch {
  readonly #sketch = new DDSketch({ relativeAccuracy: SKETCH_ERROR });

  get count(): number {
    return this.#sketch.store.count;
  }

  /** @param value a finite number; it is held between {@link LEAST_VALUE} and {@link MOST_VALUE} */
  add(value: number): void {
    this.#sketch.accept(Math.min(MOST_VALUE, Math.max(LEAST_VALUE, value)));
  }

  merge(other: Sketch): void {
    this.#sketch.merge(other.#sketch);
  }

  /** @returns the value that the share `probability` (0 to 1) of the values does not exceed; NaN of an empty sketch */
  quantile(probability: number): number {
    return this.#sketch.getValueAtQuantile(probability);
  }

  /** Mean of what was added, within 1 %; NaN of an empty sketch. */
  mean(): number {
    const { bins, offset, count } = this.#sketch.store;
    const sum = bins.reduce(
      (before, n, index) => (n > 0 ? before + n * this.#value(index + offset) : before),
      0,
    );
    return sum / count;
  }

  #value(key: number): number {
    return this.#sketch.mapping.value(key);
  }

  /** First key, then the counts from there; a negative number stands for as many empty bins. */
  toJson(): Json {
    const { bins, offset } = this.#sketch.store;
    const runs: number[] = [];
    let first: number | undefined;
    let empty = 0;
    for (const [index, count] of bins.entries()) {
      if (count === 0) {
        empty += 1;
        continue;
      }
      if (first === undefined) {
        first = index + offset;
      } else if (empty > 0) {
        runs.push(-empty);
      }
      empty = 0;
      runs.push(count);
    }
    return first === undefined ? [] : [first, ...runs];
  }

  /** @returns undefined for what no sketch can have written */
  static fromJson(value: unknown): Sketch | undefined {
    if (!Array.isArray(value)) {
      return undefined;
    }
    const sketch = new Sketch();
    const { mapping } = sketch.#sketch;
    const [first, ...runs]: readonly unknown[] = value;
    let key = first;
    for (const run of runs) {
      if (!isWhole(key, { least: mapping.key(LEAST_VALUE), most: mapping.key(MOST_VALUE) })) {
        return undefined;
      }
      if (isWhole(run, { least: -MAX_BINS, most: -1 })) {
        key -= run;
      } else if (isWhole(run, { least: 1, most: MAX_COUNT })) {
        sketch.#sketch.accept(sketch.#value(key), run);
        key += 1;
      } else {
        return undefined;
      }
    }
    return sketch;
  }
}

function isWhole(value: unknown, { least, most }: { least: number; most: number }): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}
