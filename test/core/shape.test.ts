import fc from "fast-check";
import { expect, test } from "vitest";
import { hopRanks } from "../../src/core/shape.ts";

interface Edge {
  readonly src: number;
  readonly dst: number;
}

const dag: fc.Arbitrary<{ count: number; edges: Edge[] }> = fc.integer({ min: 1, max: 9 }).chain((count) =>
  fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { maxLength: 20 }).chain((pairs) =>
    fc
      .shuffledSubarray(
        Array.from({ length: count }, (_, index) => index),
        { minLength: count },
      )
      .map((order) => ({
        count,
        // Along a random order, so that a node's number says nothing about its place.
        edges: pairs
          .filter(([a, b]) => a !== b)
          .map(([a, b]) => ({ src: order[Math.min(a, b)] as number, dst: order[Math.max(a, b)] as number })),
      })),
  ),
);

/** The longest way from a node, by trying all of them. */
function longestFrom(node: number, edges: readonly Edge[]): number {
  const next = edges.filter((edge) => edge.src === node);
  return Math.max(0, ...next.map((edge) => 1 + longestFrom(edge.dst, edges)));
}

test("hopRanks gives each node the edges on the longest way from it", () => {
  fc.assert(
    fc.property(dag, ({ count, edges }) => {
      const expected = Array.from({ length: count }, (_, node) => longestFrom(node, edges));
      expect(hopRanks(count, edges)).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test("edges from and to nodes that are there already do not count", () => {
  expect(
    hopRanks(2, [
      { src: 0, dst: 1 },
      { src: 1, dst: -2 },
      { src: -1, dst: 0 },
    ]),
  ).toEqual([1, 0]);
});
