import { onTestFailed } from "vitest";

/** Numbers from 0 to 1 by a seed, which is printed if the test fails: GOALPOST_TEST_SEED repeats it. */
export function seededRandom(): () => number {
  const seed = Number(process.env.GOALPOST_TEST_SEED ?? Math.floor(Math.random() * 2 ** 32));
  onTestFailed(() => console.error(`failed with GOALPOST_TEST_SEED=${seed}`));
  let state = seed >>> 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The elements in random order. */
export function shuffled<T>(elements: readonly T[], random: () => number): T[] {
  return elements
    .map((element) => ({ element, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ element }) => element);
}
