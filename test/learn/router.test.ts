import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ResolvedRouting } from "../../src/core/routing-options.ts";
import {
  drawModel,
  MIN_SAMPLES,
  type ModelArm,
  orderOfOthers,
  type RouteSituation,
  weighModels,
} from "../../src/learn/model-router.ts";
import { chancesToBeBest, QualityPosterior } from "../../src/learn/quality-posterior.ts";

const OPTIONS: ResolvedRouting = {
  mode: "learned",
  floor: 0.3,
  lambda: 0.1,
  priceOfQualityUsd: null,
  mu: 0,
  exploration: 0.02,
  strict: false,
};
const SAFE: RouteSituation = { effectFree: true, offCriticalPath: true, budgetLeft: 1 };

function arm(model: string, facts: Partial<ModelArm> = {}): ModelArm {
  const unknown = { successes: 0, failures: 0, costUsd: null, durationMs: null };
  return { provider: "p", model, ...unknown, availability: 1, sinceAwayMs: null, ...facts };
}

const anyArm = fc
  .record({
    successes: fc.double({ min: 0, max: 2000, noNaN: true }),
    failures: fc.double({ min: 0, max: 2000, noNaN: true }),
    costUsd: fc.option(fc.double({ min: 0, max: 10, noNaN: true })),
    durationMs: fc.option(fc.double({ min: 1, max: 100_000, noNaN: true })),
    availability: fc.double({ min: 0, max: 1, noNaN: true }),
    sinceAwayMs: fc.option(fc.nat(1_000_000)),
  })
  .map((facts) => arm("m", facts));
const anyArms = fc.array(anyArm, { minLength: 1, maxLength: 6 });
const anyOptions = fc
  .record({
    floor: fc.double({ min: 0, max: 1, noNaN: true }),
    lambda: fc.double({ min: 0, max: 5, noNaN: true }),
    priceOfQualityUsd: fc.option(fc.double({ min: 0.001, max: 10, noNaN: true })),
    mu: fc.double({ min: 0, max: 1, noNaN: true }),
    exploration: fc.double({ min: 0, max: 1, noNaN: true }),
    strict: fc.boolean(),
  })
  .map((options): ResolvedRouting => ({ mode: "learned", ...options }));
const anySituation = fc.record({
  effectFree: fc.boolean(),
  offCriticalPath: fc.boolean(),
  budgetLeft: fc.double({ min: -1, max: 1, noNaN: true }),
});

describe("given any models, options and situation", () => {
  test("the probabilities add up to 1, and the same number draws the same model", () => {
    fc.assert(
      fc.property(anyArms, anyOptions, anySituation, (arms, options, situation) => {
        const weighed = weighModels(arms, options, situation);
        const sum = weighed.arms.reduce((all, { propensity }) => all + propensity, 0);
        expect(sum).toBeCloseTo(1, 9);
        expect(weighModels(arms, options, situation)).toEqual(weighed);
        for (const random of [0, 0.3, 0.7, 1 - Number.EPSILON]) {
          const chosen = drawModel(weighed, random);
          expect(weighed.arms[chosen]?.propensity).toBeGreaterThan(0);
          expect([chosen, ...orderOfOthers(weighed, chosen)].toSorted()).toEqual([...arms.keys()]);
        }
      }),
    );
  });

  test("a model that is below the floor is never chosen while another is above", () => {
    fc.assert(
      fc.property(anyArms, anyOptions, anySituation, (arms, options, situation) => {
        const weighed = weighModels(arms, options, situation).arms;
        const hasAbove = weighed.some(({ standing }) => standing === "above");
        const below = weighed.filter(({ standing }) => standing === "below");
        expect(hasAbove && below.some(({ propensity }) => propensity > 0)).toBe(false);
      }),
    );
  });

  test("nothing is tried out where it is not safe", () => {
    fc.assert(
      fc.property(anyArms, anyOptions, anySituation, (arms, options, situation) => {
        const strict = weighModels(arms, { ...options, strict: true }, situation);
        const withEffects = weighModels(arms, options, { ...situation, effectFree: false });
        for (const { arms: weighed, best } of [strict, withEffects]) {
          expect(weighed.map(({ propensity }) => propensity)).toEqual(
            arms.map((_, index) => Number(index === best)),
          );
        }
      }),
    );
  });
});

test("what is not known is left to the table where nothing may be tried out", () => {
  const arms = [arm("first"), arm("second", { successes: MIN_SAMPLES + 20 })];
  const { arms: weighed } = weighModels(arms, { ...OPTIONS, strict: true }, SAFE);
  expect(weighed.map(({ propensity }) => propensity)).toEqual([1, 0]);
});

test("forced exploration is for what is off the critical path", () => {
  const arms = [arm("bad", { failures: 400, successes: 400 }), arm("good", { successes: 900 })];
  const chances = (offCriticalPath: boolean) =>
    weighModels(arms, OPTIONS, { ...SAFE, offCriticalPath }).arms.map(({ propensity }) => propensity);
  expect(chances(true)[0]).toBeCloseTo(0.01, 6);
  expect(chances(false)[0]).toBeLessThan(1e-9);
});

test("a cheaper model that is as good wins; the dear one wins by more than its price", () => {
  const cheap = arm("cheap", { successes: 180, failures: 20, costUsd: 0.01 });
  const as = (successes: number) =>
    weighModels([arm("dear", { successes, failures: 200 - successes, costUsd: 1 }), cheap], OPTIONS, SAFE)
      .best;
  expect([as(182), as(199)]).toEqual([1, 1]);
  expect(
    weighModels(
      [arm("dear", { successes: 199, failures: 1, costUsd: 1 }), cheap],
      { ...OPTIONS, lambda: 0.05 },
      SAFE,
    ).best,
  ).toBe(0);
});

test("as the budget drains money gets dearer, and the cheap model better, down to the floor", () => {
  const dear = arm("dear", { successes: 190, failures: 10, costUsd: 1 });
  const best = (cheap: ModelArm, budgetLeft: number) =>
    weighModels([dear, cheap], OPTIONS, { ...SAFE, budgetLeft }).best;
  const fair = arm("fair", { successes: 140, failures: 60, costUsd: 0.01 });
  const poor = arm("poor", { successes: 20, failures: 180, costUsd: 0.01 });
  expect([best(fair, 1), best(fair, 0.2)]).toEqual([0, 1]);
  expect([best(poor, 1), best(poor, 0.01)]).toEqual([0, 0]);
});

test("money can be given a price in US dollars", () => {
  const arms = [
    arm("dear", { successes: 190, failures: 10, costUsd: 0.02 }),
    arm("cheap", { successes: 150, failures: 50, costUsd: 0.001 }),
  ];
  const best = (priceOfQualityUsd: number) => weighModels(arms, { ...OPTIONS, priceOfQualityUsd }, SAFE).best;
  expect([best(1), best(0.05)]).toEqual([0, 1]);
});

test("of two that are as good the faster one wins if time has a price", () => {
  const facts = { successes: 90, failures: 10 };
  const arms = [arm("slow", { ...facts, durationMs: 9000 }), arm("fast", { ...facts, durationMs: 900 })];
  expect(weighModels(arms, { ...OPTIONS, mu: 0.05 }, SAFE).best).toBe(1);
});

test("a model whose provider is away gives way, and is looked at again after a while", () => {
  const chances = (sinceAwayMs: number) =>
    weighModels(
      [
        arm("away", { successes: 99, availability: 0.1, sinceAwayMs }),
        arm("there", { successes: 60, failures: 40 }),
      ],
      OPTIONS,
      SAFE,
    ).best;
  expect([chances(1000), chances(3_600_000)]).toEqual([1, 0]);
});

test("each is chosen as often as it is likely the best", () => {
  const posteriors = [new QualityPosterior(8, 4), new QualityPosterior(30, 10)];
  const [first = 0, second = 0] = chancesToBeBest(posteriors.map((posterior) => ({ posterior, price: 0 })));
  // Of 2,000,000 pairs drawn from Beta(9, 5) and Beta(31, 11) the first was larger in 0.2591.
  expect(first).toBeCloseTo(0.259, 2);
  expect(first + second).toBeCloseTo(1, 12);
});

test("the posterior is Beta over a flat prior", () => {
  const flat = new QualityPosterior(0, 0);
  expect([flat.mean, flat.below(0.3), flat.quantile(0.5)].map((x) => Math.round(x * 1e6) / 1e6)).toEqual([
    0.5, 0.3, 0.5,
  ]);
  const posterior = new QualityPosterior(3, 1);
  // Beta(4, 2): P(q < x) = 5 x^4 − 4 x^5.
  expect(posterior.below(0.6)).toBeCloseTo(5 * 0.6 ** 4 - 4 * 0.6 ** 5, 3);
  expect(posterior.mean).toBeCloseTo(4 / 6, 12);
});
