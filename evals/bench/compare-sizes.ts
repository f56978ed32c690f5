import { median, round } from "./statistics.ts";

/** How the time per element grows with the number of elements. */
export interface GrowthFigures {
  readonly small: { readonly count: number; readonly msPerElement: number };
  readonly large: { readonly count: number; readonly msPerElement: number };
  /** Large over small: 1 is flat. */
  readonly ratio: number;
}

const ROUNDS = 3;
/** Small ones are over quickly: more of them for a median that holds still. */
const SMALL_EACH_ROUND = 10;

/** Times the work with few and with many elements, in turn. The first small one is not counted. */
export async function compareSizes(
  counts: { readonly small: number; readonly large: number },
  timed: (count: number) => Promise<number>,
): Promise<GrowthFigures> {
  await timed(counts.small);
  const small: number[] = [];
  const large: number[] = [];
  for (let pass = 0; pass < ROUNDS; pass++) {
    for (let i = 0; i < SMALL_EACH_ROUND; i++) {
      small.push((await timed(counts.small)) / counts.small);
    }
    large.push((await timed(counts.large)) / counts.large);
  }
  return {
    small: { count: counts.small, msPerElement: round(median(small)) },
    large: { count: counts.large, msPerElement: round(median(large)) },
    ratio: round(median(large) / median(small)),
  };
}
