/** Cells that the scale from 0 to 1 is divided into. */
const CELLS = 256;
/** The logarithms of each cell's middle, and of what is left to 1. */
const LOGS: readonly (readonly [number, number])[] = Array.from({ length: CELLS }, (_, cell) => {
  const x = (cell + 0.5) / CELLS;
  return [Math.log(x), Math.log(1 - x)] as const;
});

/**
 * What is believed of a quality from 0 to 1 after so many successes and failures (fractions count): a Beta distribution
 * over a flat prior, Beta(1 + successes, 1 + failures), on a grid. Every number made of it is exact for the grid, so
 * that probabilities add up to 1.
 */
export class QualityPosterior {
  readonly mean: number;
  /** How likely the quality lies in each cell. */
  readonly mass: Float64Array;
  /** How likely it lies before each cell, and 1. */
  readonly #before: Float64Array;

  constructor(successes: number, failures: number) {
    this.mean = (successes + 1) / (successes + failures + 2);
    this.mass = betaMass(successes, failures);
    this.#before = new Float64Array(CELLS + 1);
    for (let cell = 0; cell < CELLS; cell++) {
      this.#before[cell + 1] = (this.#before[cell] as number) + (this.mass[cell] as number);
    }
  }

  /** The middle of a cell. */
  static middle(cell: number): number {
    return (cell + 0.5) / CELLS;
  }

  /** How likely the quality is below x. */
  below(x: number): number {
    if (x <= 0) {
      return 0;
    }
    if (x >= 1) {
      return 1;
    }
    const at = x * CELLS;
    const cell = Math.floor(at);
    return (this.#before[cell] as number) + (at - cell) * (this.mass[cell] as number);
  }

  /** What the quality is below with probability p. */
  quantile(p: number): number {
    const cell = this.mass.findIndex((_, index) => (this.#before[index + 1] as number) >= p);
    const mass = this.mass[cell];
    return mass ? (cell + (p - (this.#before[cell] as number)) / mass) / CELLS : 1;
  }
}

function betaMass(successes: number, failures: number): Float64Array {
  const mass = new Float64Array(CELLS);
  let most = Number.NEGATIVE_INFINITY;
  for (const [cell, [log, logRest]] of LOGS.entries()) {
    const weight = successes * log + failures * logRest;
    mass[cell] = weight;
    most = Math.max(most, weight);
  }
  let sum = 0;
  for (let cell = 0; cell < CELLS; cell++) {
    const weight = Math.exp((mass[cell] as number) - most);
    mass[cell] = weight;
    sum += weight;
  }
  return mass.map((weight) => weight / sum);
}

/**
 * How likely each of several is the best, its quality less its price: the probabilities with which Thompson sampling
 * chooses (Thompson, Biometrika 1933). They add up to 1.
 */
export function chancesToBeBest(
  arms: readonly { readonly posterior: QualityPosterior; readonly price: number }[],
): number[] {
  const chances = arms.map(({ posterior, price }, own) => {
    let chance = 0;
    for (let cell = 0; cell < CELLS; cell++) {
      let likely = posterior.mass[cell] as number;
      for (let other = 0; other < arms.length && likely > 0; other++) {
        const arm = arms[other];
        if (arm && other !== own) {
          likely *= arm.posterior.below(QualityPosterior.middle(cell) - price + arm.price);
        }
      }
      chance += likely;
    }
    return chance;
  });
  const sum = chances.reduce((a, b) => a + b, 0);
  return sum > 0 ? chances.map((chance) => chance / sum) : arms.map(() => 1 / arms.length);
}
