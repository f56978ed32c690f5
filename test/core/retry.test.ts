import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkPolicy, resolvePolicy } from "../../src/core/policy.ts";
import { DEFAULT_RETRY, retryDelayMs } from "../../src/core/retry.ts";

/** What checkPolicy lets through. */
const policy = fc.record({
  baseMs: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
  factor: fc.double({ min: 1, noNaN: true, noDefaultInfinity: true }),
  maxDelayMs: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
  jitter: fc.boolean(),
});
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const attempt = fc.integer({ min: 1, max: 2000 });

describe("the wait before the next attempt", () => {
  test("is never negative, never longer than maxDelayMs, and always a number", () => {
    fc.assert(
      fc.property(policy, attempt, random, (given, failed, chance) => {
        const delay = retryDelayMs(given, failed, chance);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(given.maxDelayMs);
      }),
      // 0 × ∞ is not a number.
      { examples: [[{ baseMs: 0, factor: 2, maxDelayMs: 1000, jitter: false }, 1100, 0]] },
    );
  });

  test("never shrinks from one attempt to the next without jitter", () => {
    fc.assert(
      fc.property(policy, attempt, (given, failed) => {
        const delayAfter = (which: number): number => retryDelayMs({ ...given, jitter: false }, which, 0);
        fc.pre(!Number.isNaN(delayAfter(failed + 1)));
        expect(delayAfter(failed + 1)).toBeGreaterThanOrEqual(delayAfter(failed));
      }),
    );
  });

  test("with jitter is spread over all of the computed wait", () => {
    fc.assert(
      fc.property(attempt, random, (failed, chance) => {
        const full = retryDelayMs({ ...DEFAULT_RETRY, jitter: false }, failed, chance);
        expect(retryDelayMs(DEFAULT_RETRY, failed, chance)).toBeCloseTo(full * chance);
      }),
    );
  });

  test("is 1 s, 10 s, 100 s for a base of 1 s and a factor of 10", () => {
    const tenfold = { ...DEFAULT_RETRY, factor: 10, jitter: false };
    expect([1, 2, 3, 4].map((failed) => retryDelayMs(tenfold, failed, 0))).toEqual([
      1000, 10_000, 100_000, 300_000,
    ]);
  });
});

describe("policies", () => {
  test("are filled from the first that says something, then from the defaults", () => {
    expect(resolvePolicy({ maxAttempts: 1 }, undefined, { maxAttempts: 5, timeoutMs: 10 })).toEqual({
      maxAttempts: 1,
      timeoutMs: 10,
      timeoutGiven: true,
      retry: DEFAULT_RETRY,
      approval: false,
    });
    expect(resolvePolicy({ retry: { factor: 3 } }).retry).toEqual({ ...DEFAULT_RETRY, factor: 3 });
    expect(resolvePolicy()).toMatchObject({
      maxAttempts: 3,
      timeoutMs: 30_000,
      timeoutGiven: false,
    });
  });

  test.each([
    { maxAttempts: 0 },
    { maxAttempts: 1.5 },
    { maxAttempts: "3" as never },
    { timeoutMs: 0 },
    { timeoutMs: Number.POSITIVE_INFINITY },
    { retry: { baseMs: -1 } },
    { retry: { factor: 0.5 } },
    { retry: { maxDelayMs: Number.NaN } },
  ])("out of range are refused: %j", (given) => {
    expect(() => checkPolicy(given, 'step "a"')).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT", message: expect.stringContaining('step "a": ') }),
    );
  });
});
