import fc from "fast-check";
import { expect, test } from "vitest";
import { Summary } from "../../src/core/summary.ts";
import { estimateOf, UNKNOWN } from "../../src/learn/estimate.ts";
import { shrinkage } from "../../src/learn/snapshot.ts";

const AT = Date.UTC(2026, 0, 1);

function summaryOf(times: readonly number[], outcome: "completed" | "timed_out" = "completed"): Summary {
  const summary = new Summary();
  for (const [index, runMs] of times.entries()) {
    summary.add({ at: AT + index, outcome, runMs });
  }
  return summary;
}

/** Normal noise that is the same every time. */
function noise(seed: number): () => number {
  let state = seed;
  const next = (): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return (state + 0.5) / 4_294_967_296;
  };
  return () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
}

test.each([
  ["stays", () => 0],
  ["drifts up and down", (index: number) => Math.sin(index / 300)],
  ["jumps", (index: number) => (index > 2000 ? 1.2 : 0)],
  ["climbs", (index: number) => index / 2000],
])("95 % of the next samples of a series that %s stay below what is called p95", (_, level) => {
  const normal = noise(7);
  const summary = new Summary();
  let below = 0;
  let judged = 0;
  for (let index = 0; index < 4000; index++) {
    const log = 4 + level(index) + 0.4 * normal();
    const bound = summary.recent.bound(0.05);
    if (index >= 200 && bound !== null) {
      judged += 1;
      below += log <= bound ? 1 : 0;
    }
    summary.add({ at: AT + index, outcome: "completed", runMs: Math.exp(log) });
  }
  expect(below / judged).toBeGreaterThan(0.94);
  expect(below / judged).toBeLessThan(0.96);
});

test("no estimate contradicts itself", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 150 }),
      fc.array(fc.double({ min: 0.01, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 150 }),
      (own, general) => {
        const { medianMs, meanMs, p95Ms, p99Ms, quantilesMs } = estimateOf(
          [
            { name: "step", summary: summaryOf(own), k: 5 },
            { name: "kind", summary: summaryOf(general), k: 5 },
          ],
          AT,
        );
        for (const value of [medianMs, meanMs, ...quantilesMs]) {
          expect(value).toBeGreaterThan(0);
          expect(Number.isFinite(value)).toBe(true);
        }
        expect(quantilesMs).toEqual(quantilesMs.toSorted((a, b) => a - b));
        expect(p95Ms ?? medianMs).toBeGreaterThanOrEqual(medianMs);
        expect(p99Ms ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(p95Ms ?? 0);
      },
    ),
  );
});

test("few samples are drawn to what is more general, many are not", () => {
  const general = { name: "kind", summary: summaryOf(Array(100).fill(1000)), k: 5 } as const;
  const after = (n: number): number =>
    estimateOf([{ name: "step", summary: summaryOf(Array(n).fill(10)), k: 5 }, general], AT).medianMs;
  expect(after(1)).toBeGreaterThan(300);
  expect(after(100)).toBeLessThan(15);
});

test("how much the general counts is the variance within against that between, from 1 to 50", () => {
  expect(shrinkage({ within: 2, between: 1 })).toBe(2);
  expect(shrinkage({ within: 0.1, between: 1 })).toBe(1);
  expect(shrinkage({ within: 1, between: 0 })).toBe(50);
});

test("tries that timed out lengthen an estimate", () => {
  const plain = summaryOf(Array(60).fill(100));
  const stopped = Summary.merge(plain, summaryOf(Array(20).fill(3000), "timed_out"));
  const [without, with_] = [plain, stopped].map((summary) =>
    estimateOf([{ name: "kind", summary, k: 5 }], AT),
  );
  expect(with_?.meanMs).toBeGreaterThan(2 * (without?.meanMs ?? 0));
  expect(with_?.p95Ms).toBeGreaterThanOrEqual(2900);
});

test("a change shows as drift, and the estimate follows it", () => {
  const steady = summaryOf(Array.from({ length: 200 }, (_, index) => 100 + (index % 7)));
  const changed = summaryOf([
    ...Array.from({ length: 200 }, (_, index) => 100 + (index % 7)),
    ...Array(40).fill(800),
  ]);
  expect(steady.recent.drift).toBeLessThan(1);
  const estimate = estimateOf([{ name: "kind", summary: changed, k: 5 }], AT);
  expect(estimate.drift).toBeGreaterThanOrEqual(1);
  expect(estimate.medianMs).toBeGreaterThan(250);
});

test("samples lose their weight with age", () => {
  const level = { name: "kind", summary: summaryOf(Array(8).fill(5)), k: 5 } as const;
  expect(estimateOf([level], AT).samples).toBe(8);
  expect(estimateOf([level], AT + 60 * 86_400_000).samples).toBeCloseTo(2, 1);
});

test("nothing known has the defaults", () => {
  expect(estimateOf([], AT)).toEqual(UNKNOWN);
});
