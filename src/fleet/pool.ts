/**
 * How the figures of several sources become one, so that no single source decides where there are others: weights are
 * capped, from three sources on it is the weighted median that counts, and two that contradict each other say nothing.
 */

/** A figure and what it weighs. */
export interface Weighed {
  readonly value: number;
  readonly weight: number;
}

/** The most that one of three or more sources can weigh of all: less than half, so that no median is its own. */
const MAX_SHARE = 0.4;

/** Two sources whose figures are further apart than this factor contradict each other: units, most likely. */
const CONTRADICTION = 100;

/** Lowers the largest weights until none is more than {@link MAX_SHARE} of their sum; of one or two nothing is lowered. */
export function capWeights(weights: readonly number[]): number[] {
  const descending = weights.filter((weight) => weight > 0).sort((a, b) => b - a);
  if (descending.length < 3) {
    return [...weights];
  }
  for (const [capped, next] of descending.entries()) {
    const rest = descending.slice(capped).reduce((sum, weight) => sum + weight, 0);
    // With that many lowered to one height: height = share × (rest + capped × height).
    const height = (MAX_SHARE * rest) / (1 - capped * MAX_SHARE);
    if (next <= height) {
      return weights.map((weight) => Math.min(weight, height));
    }
  }
  return [...weights];
}

/** The value that half of the weight is below; between two where it is exactly half. */
export function weightedMedian(weighed: readonly Weighed[]): number | undefined {
  const ascending = weighed.filter(({ weight }) => weight > 0).sort((a, b) => a.value - b.value);
  const half = ascending.reduce((sum, { weight }) => sum + weight, 0) / 2;
  let below = 0;
  for (const [index, { value, weight }] of ascending.entries()) {
    below += weight;
    if (Math.abs(below - half) <= 1e-12 * half) {
      return (value + (ascending[index + 1]?.value ?? value)) / 2;
    }
    if (below > half) {
      return value;
    }
  }
  return undefined;
}

/** One figure for all: the median of three and more, the mean of two. Undefined where there is none to be had. */
export function pool(weighed: readonly Weighed[]): number | undefined {
  const there = weighed.filter(({ weight }) => weight > 0);
  if (there.length >= 3) {
    return weightedMedian(there);
  }
  const total = there.reduce((sum, { weight }) => sum + weight, 0);
  return total > 0 ? there.reduce((sum, { value, weight }) => sum + value * weight, 0) / total : undefined;
}

/** {@link pool} of the logarithms, for figures that differ by factors; zeros are left out. */
export function poolLog(weighed: readonly Weighed[]): number | undefined {
  const logs = weighed
    .filter(({ value }) => value > 0)
    .map((one) => ({ ...one, value: Math.log(one.value) }));
  const pooled = pool(logs);
  return pooled === undefined ? undefined : Math.exp(pooled);
}

/** Whether two figures above 0 cannot both be right. */
export function isContradiction(one: number, other: number): boolean {
  return Math.abs(Math.log(one / other)) > Math.log(CONTRADICTION);
}
