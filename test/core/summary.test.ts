import fc from "fast-check";
import { expect, test } from "vitest";
import { type Sample, Summary } from "../../src/core/summary.ts";

const START = Date.UTC(2026, 0, 1);

const samples = (options: { maxLength: number; from?: number }): fc.Arbitrary<Sample[]> =>
  fc
    .array(
      fc.record({
        outcome: fc.constantFrom(
          "completed" as const,
          "completed" as const,
          "failed" as const,
          "timed_out" as const,
        ),
        runMs: fc.double({ min: 0.01, max: 1e7, noNaN: true }),
        queueMs: fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined }),
        after: fc.option(fc.constantFrom("PROVIDER_ERROR", "STEP_FAILED"), { nil: undefined }),
        costUsd: fc.option(fc.double({ min: 0, max: 10, noNaN: true }), { nil: null }),
        inputTokens: fc.integer({ min: 0, max: 1000 }),
      }),
      { maxLength: options.maxLength },
    )
    .map((list) => list.map((sample, index) => ({ ...sample, at: START + (options.from ?? 0) + index })));

function summaryOf(...parts: readonly (readonly Sample[])[]): Summary {
  const summary = new Summary();
  for (const sample of parts.flat()) {
    expect(summary.add(sample)).toBeUndefined();
  }
  return summary;
}

function expectAlike(a: Summary, b: Summary): void {
  const { recent: recentA, sums: sumsA, ...exactA } = a.toJson() as { recent: unknown; sums: number[] };
  const { recent: recentB, sums: sumsB, ...exactB } = b.toJson() as { recent: unknown; sums: number[] };
  expect(exactA).toEqual(exactB);
  expect(recentA).toEqual(recentB);
  for (const [index, sum] of sumsA.entries()) {
    expect(Math.abs(sum - (sumsB[index] ?? 0))).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(sum)));
  }
}

test("merging two summaries is as if one had been given all samples", () => {
  fc.assert(
    fc.property(samples({ maxLength: 60 }), samples({ maxLength: 60, from: 1000 }), (first, second) => {
      expectAlike(Summary.merge(summaryOf(first), summaryOf(second)), summaryOf(first, second));
    }),
  );
});

test("merging is commutative, also where the summaries overlap in time", () => {
  fc.assert(
    fc.property(samples({ maxLength: 300 }), samples({ maxLength: 300 }), (first, second) => {
      const [a, b] = [summaryOf(first), summaryOf(second)];
      expect(Summary.merge(a, b).toJson()).toEqual(Summary.merge(b, a).toJson());
    }),
    { numRuns: 40 },
  );
});

test("merging is associative where the summaries do not overlap in time", () => {
  fc.assert(
    fc.property(
      samples({ maxLength: 60 }),
      samples({ maxLength: 60, from: 1000 }),
      samples({ maxLength: 60, from: 2000 }),
      (first, second, third) => {
        const [a, b, c] = [summaryOf(first), summaryOf(second), summaryOf(third)];
        expectAlike(Summary.merge(Summary.merge(a, b), c), Summary.merge(a, Summary.merge(b, c)));
      },
    ),
  );
});

test("merging changes neither of the two", () => {
  const a = summaryOf([{ at: START, outcome: "completed", runMs: 5 }]);
  const b = summaryOf([{ at: START + 1, outcome: "failed", after: "X", runMs: 7 }]);
  const before = [a.toJson(), b.toJson()];
  Summary.merge(a, b).add({ at: START + 2, outcome: "completed", after: "X", runMs: 9 });
  expect([a.toJson(), b.toJson()]).toEqual(before);
});

test("every quantile is within 1 % of a value of that rank", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, probability) => {
        const summary = summaryOf(values.map((runMs) => ({ at: START, outcome: "completed", runMs })));
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.floor(probability * (values.length - 1))] ?? 0;
        expect(Math.abs(summary.times.quantile(probability) - exact)).toBeLessThanOrEqual(exact * 0.010001);
      },
    ),
  );
});

test("what is stored is read back as it was", () => {
  fc.assert(
    fc.property(samples({ maxLength: 300 }), (list) => {
      const stored: unknown = JSON.parse(JSON.stringify(summaryOf(list).toJson()));
      expect(Summary.fromJson(stored)?.toJson()).toEqual(stored);
    }),
    { numRuns: 40 },
  );
});

test("what was not written by a summary is refused, whatever it is", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(Summary.fromJson(value)).toBeUndefined();
    }),
  );
});

test.each([
  ["a count that the sketch does not have", (json: Stored) => set(json.sums, 0, 7)],
  ["a mean beyond all times", (json: Stored) => set(json.sums, 1, 99)],
  ["a negative price", (json: Stored) => set(json.sums, 7, -1)],
  ["a sum that is no number", (json: Stored) => set(json.sums, 2, "1")],
  ["a bin outside the range", (json: Stored) => set(json.times, 0, 100_000)],
  ["half a try", (json: Stored) => set(json.first, 0, 0.5)],
  ["a window of text", (json: Stored) => set(json.recent.window, 0, "a")],
  ["a level beyond its bounds", (json: Stored) => set(json.recent.levels, 0, 3)],
  ["another version", (json: Stored) => ({ ...json, v: 2 })],
])("a stored summary with %s is refused", (_, spoil) => {
  const stored = summaryOf([{ at: START, outcome: "completed", runMs: 5 }]).toJson() as unknown as Stored;
  expect(Summary.fromJson(stored)).toBeDefined();
  const spoilt = spoil(stored) ?? stored;
  expect(Summary.fromJson(spoilt)).toBeUndefined();
});

test.each([
  ["negative", { runMs: -1 }],
  ["not finite", { runMs: Number.POSITIVE_INFINITY }],
  ["not finite", { runMs: Number.NaN }],
  ["absurd", { runMs: 1e13 }],
  ["absurd", { costUsd: 1e7 }],
  ["negative", { queueMs: -5 }],
  ["bad time", { at: 1_700_000_000 }],
  ["bad time", { at: Number.NaN }],
])("a sample that is %s is refused and changes nothing: %o", (reason, wrong) => {
  const summary = summaryOf([{ at: START, outcome: "completed", runMs: 5 }]);
  const before = summary.toJson();
  expect(summary.add({ at: START, outcome: "completed", ...wrong })).toBe(reason);
  expect(summary.toJson()).toEqual(before);
});

interface Stored {
  v: number;
  sums: unknown[];
  times: unknown[];
  first: unknown[];
  recent: { window: unknown[]; levels: unknown[] };
}

function set(list: unknown[], index: number, value: unknown): undefined {
  list[index] = value;
}
