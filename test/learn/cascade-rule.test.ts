import { expect, test } from "vitest";
import type { ResolvedRouting } from "../../src/core/routing-options.ts";
import { type CascadeStep, startCascade } from "../../src/learn/cascade-rule.ts";

const OPTIONS: ResolvedRouting = {
  mode: "learned",
  floor: 0.3,
  lambda: 0.1,
  priceOfQualityUsd: null,
  mu: 0,
  exploration: 0,
  strict: false,
};

function step(model: string, facts: Partial<CascadeStep>): CascadeStep {
  const none = { successes: 0, failures: 0, accepted: 0, rejected: 0, durationMs: null, costUsd: null };
  return { provider: "p", model, availability: 1, sinceAwayMs: null, ...none, ...facts };
}

const strong = step("strong", { costUsd: 1 });
const from = (weak: Partial<CascadeStep>, ...others: CascadeStep[]) =>
  startCascade([step("weak", { costUsd: 0.1, ...weak }), ...others], OPTIONS, 1);

test("a weak model is asked as long as the verifier has not judged enough", () => {
  expect(from({ rejected: 4 }, strong)).toEqual({ from: 0, reason: null });
});

test("a weak model is asked first as long as more of its answers pass than it costs of the strong one", () => {
  expect(from({ accepted: 30, rejected: 70 }, strong).from).toBe(0);
  const { from: start, reason } = from({ accepted: 2, rejected: 98 }, strong);
  expect(start).toBe(1);
  expect(reason).toContain("p/weak is not asked first: 3 % of its answers are accepted");
});

test("a verifier that lets bad answers pass is worth no cascade", () => {
  const known = step("strong", { costUsd: 1, successes: 95, failures: 5 });
  const honest = { accepted: 80, rejected: 20, successes: 78, failures: 22 };
  expect(from(honest, known).from).toBe(0);
  expect(from({ ...honest, successes: 40, failures: 60 }, known).from).toBe(1);
});

test("each model but the last is weighed against the next", () => {
  const middle = step("middle", { costUsd: 0.2, accepted: 90, rejected: 10 });
  expect(from({ accepted: 1, rejected: 99 }, middle, strong).from).toBe(1);
  expect(from({ accepted: 1, rejected: 99 }).from).toBe(0);
});
