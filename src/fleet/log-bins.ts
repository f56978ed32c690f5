/**
 * A quantile sketch as it travels: how many values fell into each bin, bins growing by a constant factor. A quantile is
 * off by at most 1 % of its value.
 *
 * The bins are those of DDSketch (Masson, Rim, Lee 2019) with relative accuracy 0.01: bin i holds the values in
 * (γ^(i−1), γ^i].
 */
export type LogBins = readonly (readonly [index: number, count: number])[];

const ACCURACY = 0.01;
export const GAMMA: number = (1 + ACCURACY) / (1 - ACCURACY);
const LOG_GAMMA = Math.log(GAMMA);

/** From a microsecond to a year in milliseconds there are 1,570 bins of it. */
const MAX_BINS = 2048;
const MAX_INDEX = 2048;
const MAX_COUNT = 1e9;

/** The bin of a value above 0. */
export function binOf(value: number): number {
  return Math.ceil(Math.log(value) / LOG_GAMMA);
}

/** The value that stands for a bin: no value of it is further away than 1 %. */
export function binValue(index: number): number {
  return (2 * GAMMA ** index) / (GAMMA + 1);
}

export function toBins(counts: ReadonlyMap<number, number>): LogBins {
  return [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
}

export function binsCount(bins: LogBins): number {
  return bins.reduce((sum, [, count]) => sum + count, 0);
}

/** The value below which that share of the values is; undefined without values. */
export function binsQuantile(bins: LogBins, share: number): number | undefined {
  const rank = share * binsCount(bins);
  let below = 0;
  for (const [index, count] of bins) {
    below += count;
    if (below >= rank && count > 0) {
      return binValue(index);
    }
  }
  const last = bins.at(-1);
  return last && binValue(last[0]);
}

/** Reads what somebody else wrote; undefined if it is no sketch: bins ascend, counts are above 0. */
export function readBins(value: unknown): LogBins | undefined {
  if (!Array.isArray(value) || value.length > MAX_BINS) {
    return undefined;
  }
  const bins: [number, number][] = [];
  for (const pair of value as unknown[]) {
    const [index, count] = Array.isArray(pair) ? (pair as unknown[]) : [];
    const ascends = Number.isInteger(index) && (index as number) > (bins.at(-1)?.[0] ?? -MAX_INDEX - 1);
    const counts = typeof count === "number" && count > 0 && count <= MAX_COUNT;
    if (!ascends || (index as number) > MAX_INDEX || !counts) {
      return undefined;
    }
    bins.push([index as number, count]);
  }
  return bins;
}
