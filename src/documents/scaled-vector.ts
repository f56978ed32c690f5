import { fromSql, toSql } from "pgvector";

/**
 * Whole numbers of seven digits, as many as four-byte floats have: the embedded database reads them four times as fast as
 * fractions. Only the direction of a vector counts; `l2_normalize` makes its length 1 again.
 */
const SCALE = 1e7;

/** A vector of length 1 as text for `l2_normalize($1::vector)`. */
export function toScaledSql(vector: readonly number[]): string {
  return toSql(vector.map((value) => Math.round(value * SCALE))) as string;
}

/** The same for a vector that was read as text. */
export function rescaledSql(text: string): string {
  return toScaledSql(fromSql(text) as number[]);
}
