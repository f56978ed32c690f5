/** Numbers are kept to 8 decimals: finer than the four-byte floats of models and databases, and short in JSON. */
const DECIMALS = 1e8;

/** The vector with length 1. It must not be all zeros. */
export function normalised(vector: ArrayLike<number>): readonly number[] {
  const norm = normOf(vector);
  return Array.from(vector, (value) => Math.round((value / norm) * DECIMALS) / DECIMALS + 0);
}

/** Several vectors as one of length 1, in which each has the same weight. */
export function joined(vectors: readonly (readonly number[])[]): readonly number[] {
  return normalised(vectors.flatMap((vector) => normalised(vector)));
}

/**
 * What is wrong with the vectors that a model gave for so many texts; null if nothing is.
 * @param dimensions how many numbers each should have; null if any will do
 */
export function problemOfVectors(
  vectors: readonly ArrayLike<number>[],
  { texts, dimensions }: { readonly texts: number; readonly dimensions: number | null },
): VectorProblem | null {
  if (vectors.length !== texts) {
    return { message: `answered with ${vectors.length} vectors for ${texts} texts`, isOfModel: false };
  }
  const width = vectors[0]?.length ?? 0;
  for (const [index, vector] of vectors.entries()) {
    if (vector.length !== width || width === 0) {
      return {
        message: `answered with vectors of ${width} and of ${vector.length} numbers`,
        isOfModel: false,
      };
    }
    const norm = normOf(vector);
    if (!Number.isFinite(norm)) {
      return { message: `answered with a vector (${index}) that holds what is no number`, isOfModel: false };
    }
    if (norm === 0) {
      return { message: `answered with a vector (${index}) of zeros`, isOfModel: false };
    }
  }
  if (dimensions !== null && texts > 0 && width !== dimensions) {
    return {
      message: `answered with vectors of ${width} numbers; they should have ${dimensions}: is it the right model?`,
      isOfModel: true,
    };
  }
  return null;
}

export interface VectorProblem {
  /** Without a subject. */
  readonly message: string;
  /** Asking again is of no use. */
  readonly isOfModel: boolean;
}

/** NaN and Infinity if one of the numbers is, or is none at all. */
function normOf(vector: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < vector.length; index++) {
    const value: unknown = vector[index];
    sum += typeof value === "number" ? value * value : Number.NaN;
  }
  return Math.sqrt(sum);
}
