import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeReuse, reuseDecision } from "../../src/learn/judge-reuse.ts";

const DAY_MS = 86_400_000;
const fresh = { failures: 0, failuresInARow: 0, ageMs: 0 };

describe("whether a plan is used again", () => {
  test("takes 28 runs without a failure, until it is told otherwise", () => {
    expect(judgeReuse({ ...fresh, successes: 27 }).reuse).toBe(false);
    expect(judgeReuse({ ...fresh, successes: 28 }).reuse).toBe(true);
    expect(judgeReuse({ ...fresh, successes: 4 }, { least: 0.5 }).reuse).toBe(true);
  });

  test("ends with the second failure in a row, however good it was", () => {
    const good = { successes: 10_000, failures: 2, ageMs: 0 };
    expect(judgeReuse({ ...good, failuresInARow: 1 }).reuse).toBe(true);
    const verdict = judgeReuse({ ...good, failuresInARow: 2 });
    expect(verdict).toMatchObject({ reuse: false, reason: "it failed 2 times in a row", samples: 10_002 });
  });

  test("ends with age", () => {
    const old = { ...fresh, successes: 1000, ageMs: 91 * DAY_MS };
    expect(judgeReuse(old)).toMatchObject({ reuse: false, reason: "it was last carried out 91 days ago" });
    expect(judgeReuse(old, { maxAgeMs: 100 * DAY_MS }).reuse).toBe(true);
  });

  test("the bound is that of the Beta distribution: known quantiles of it", () => {
    // Beta(n + 1, 1) has the quantile p^(1 / (n + 1)).
    for (const successes of [0, 1, 10, 50]) {
      const { lowerBound } = judgeReuse({ ...fresh, successes });
      expect(lowerBound).toBeCloseTo(0.05 ** (1 / (successes + 1)), 2);
    }
  });

  test("property: another success never lowers the bound, another failure never raises it", () => {
    const counts = fc.record({ successes: fc.nat(300), failures: fc.nat(300) });
    fc.assert(
      fc.property(counts, ({ successes, failures }) => {
        const at = (more: number, less: number): number =>
          judgeReuse({ ...fresh, successes: successes + more, failures: failures + less }).lowerBound;
        const bound = at(0, 0);
        expect(at(1, 0)).toBeGreaterThanOrEqual(bound - 1e-9);
        expect(at(0, 1)).toBeLessThanOrEqual(bound + 1e-9);
        expect(bound).toBeLessThanOrEqual((successes + 1) / (successes + failures + 2));
      }),
      { numRuns: 200 },
    );
  });

  test("the decision says what the evidence is, and that the validator has the last word", () => {
    const verdict = judgeReuse({ ...fresh, successes: 40 });
    expect(reuseDecision(verdict, ["a"], true)).toMatchObject({
      kind: "plan_reuse",
      tasks: ["a"],
      samples: 40,
      adopted: true,
      reason: expect.stringContaining("40 of its 40 runs"),
    });
    expect(reuseDecision(verdict, ["a"], false).reason).toBe("It did not pass the validator.");
    const doubtful = judgeReuse({ ...fresh, successes: 3 });
    expect(reuseDecision(doubtful, ["a"], false).reason).toContain("0.9 is asked for");
  });
});
