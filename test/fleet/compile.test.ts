import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileLessons, type Statement } from "../../src/fleet/compile.ts";
import { type Evidence, evidenceJson, readEvidence } from "../../src/fleet/evidence.ts";
import { readGuidance } from "../../src/fleet/guidance.ts";
import { capWeights, weightedMedian } from "../../src/fleet/pool.ts";
import { around, evidenceOf, MEASURED_AT } from "./evidence-of.ts";

const HUB = "00000000-0000-4000-8000-000000000000";
const SOURCES = ["a", "b", "c", "d"].map((digit) => HUB.replaceAll("0", digit));
const say = (source: string, evidence: Evidence): Statement => ({ source, evidence });
const fetchOf = (statements: readonly Statement[], nowMs = MEASURED_AT) =>
  compileLessons(statements, nowMs).estimates.find(({ kind }) => kind === "fetch");

describe("what a hub makes of what it was told", () => {
  test("one database's run times reach the others as they are", () => {
    const lesson = fetchOf([say("a", evidenceOf("fetch", around(200, 101)))]);
    expect(lesson).toMatchObject({ samples: 100, sources: 1, only: "a", successRate: 0.9903 });
    expect(lesson?.medianMs).toBeCloseTo(200, -1);
    expect(lesson?.quantilesMs[0]).toBeCloseTo(103, -1);
    expect(lesson?.quantilesMs.at(-1)).toBeCloseTo(388, -1);
  });

  test("it weighs by samples", () => {
    const few = say("a", evidenceOf("fetch", around(100, 10)));
    const many = say("b", evidenceOf("fetch", around(400, 90)));
    expect(fetchOf([few, many])?.medianMs).toBeCloseTo(100 ** 0.1 * 400 ** 0.9, -1);
  });

  test("it weighs by age, of clocks that are ahead as of those behind", () => {
    const day = 86_400_000;
    const old = { lastAt: MEASURED_AT - 600 * day };
    const ahead = { lastAt: MEASURED_AT + 600 * day };
    const now = say("b", evidenceOf("fetch", around(400, 10)));
    for (const aged of [old, ahead]) {
      const lesson = fetchOf([say("a", evidenceOf("fetch", around(100, 1000), aged)), now]);
      expect(lesson?.medianMs).toBeGreaterThan(350);
    }
  });

  test("evidence that has aged to less than a sample says nothing", () => {
    expect(fetchOf([say("a", evidenceOf("fetch", around(100, 10)))], MEASURED_AT + 300 * 86_400_000)).toBe(
      undefined,
    );
  });

  test("two databases that contradict each other by their units say nothing", () => {
    const seconds = say("a", evidenceOf("fetch", around(0.2, 50)));
    const milliseconds = say("b", evidenceOf("fetch", around(200, 50)));
    expect(fetchOf([seconds, milliseconds])).toBe(undefined);
  });

  test("one of three that measures in seconds does not take part", () => {
    const right = [
      say("a", evidenceOf("fetch", around(200, 50))),
      say("b", evidenceOf("fetch", around(220, 50))),
    ];
    const wrong = say("c", evidenceOf("fetch", around(0.2, 1000)));
    const lesson = fetchOf([...right, wrong]);
    expect(lesson?.sources).toBe(2);
    expect(lesson?.medianMs).toBeGreaterThan(190);
  });

  test("what an outlier or hardly any samples say takes nothing away from what the others say", () => {
    const right = [
      say("a", evidenceOf("fetch", around(200, 40))),
      say("b", evidenceOf("fetch", around(220, 40))),
    ];
    const aged = { lastAt: MEASURED_AT - 100 * 86_400_000 };
    const alone = fetchOf(right);
    expect(fetchOf([...right, say("c", evidenceOf("fetch", around(0.01, 2)))])).toEqual(alone);
    expect(fetchOf([...right, say("c", evidenceOf("fetch", around(210, 2), aged))])).toEqual(alone);
  });

  test("errors are patterns with the tries that were made after them", () => {
    const retries = [{ code: "STEP_TIMEOUT", tries: 20, completed: 15 }];
    const { patterns } = compileLessons(
      [say("a", evidenceOf("fetch", around(200, 50), { retries }))],
      MEASURED_AT,
    );
    expect(patterns).toEqual([{ kind: "fetch", code: "STEP_TIMEOUT", tries: 20, completed: 15 }]);
  });

  test("models are told apart by kind of request, with tokens and cost", () => {
    const about = { topic: "model", model: "openai/gpt-5", inputTokens: 800, outputTokens: 120 } as const;
    const evidence = evidenceOf("coder", around(2000, 30), {
      ...about,
      costUsd: { samples: 30, mean: 0.02 },
    });
    const { routing, estimates } = compileLessons([say("a", evidence)], MEASURED_AT);
    expect(estimates).toEqual([]);
    expect(routing).toMatchObject([{ ...about, kind: "coder", costUsd: 0.02 }]);
  });
});

const arbitraryEvidence = fc
  .record({
    kind: fc.constantFrom("fetch", "price"),
    timesMs: fc.array(fc.double({ min: 0.01, max: 1e7, noNaN: true }), { maxLength: 30 }),
    failures: fc.nat(20),
    cost: fc.option(fc.double({ min: 0, max: 100, noNaN: true }), { nil: null }),
    ageMs: fc.nat(100 * 86_400_000),
  })
  .map(({ kind, timesMs, failures, cost, ageMs }) =>
    evidenceOf(kind, timesMs, {
      failures,
      costUsd: cost === null ? null : { samples: timesMs.length, mean: cost },
      lastAt: MEASURED_AT - ageMs,
    }),
  )
  .filter((evidence) => typeof readEvidence(evidenceJson(evidence)) === "object");

describe("for any statements", () => {
  const statements = fc.uniqueArray(fc.tuple(fc.constantFrom(...SOURCES), arbitraryEvidence), {
    selector: ([source, { kind }]) => `${source} ${kind}`,
    maxLength: 8,
  });
  const all = (pairs: readonly (readonly [string, Evidence])[]) =>
    pairs.map(([source, one]) => say(source, one));

  test("the order that they came in makes no difference", () => {
    const shuffled = statements.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(shuffled, ([list, other]) => {
        expect(compileLessons(all(other), MEASURED_AT)).toEqual(compileLessons(all(list), MEASURED_AT));
      }),
    );
  });

  test("what is sent passes the checks of those who receive it", () => {
    fc.assert(
      fc.property(statements, (list) => {
        const guidance = { format: 1, hub: HUB, version: 7, ...compileLessons(all(list), MEASURED_AT) };
        const read = readGuidance(JSON.parse(JSON.stringify(guidance)), { hub: HUB, version: 7 });
        expect(read).toEqual({ guidance, ignored: [] });
      }),
    );
  });

  test("one bad source among three or more moves no figure beyond what the others say", () => {
    const honest = fc.array(fc.integer({ min: 50, max: 500 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(honest, arbitraryEvidence, fc.integer({ min: 1, max: 1e9 }), (medians, bad, samples) => {
        const good = medians.map((ms, index) => say(`good ${index}`, evidenceOf("fetch", around(ms, 40))));
        const poison = { ...bad, kind: "fetch", samples: bad.samples && samples, costUsd: null };
        const lesson = fetchOf([...good, say("bad", poison)]);
        expect(lesson?.medianMs).toBeGreaterThanOrEqual(Math.min(...medians) * 0.97);
        expect(lesson?.medianMs).toBeLessThanOrEqual(Math.max(...medians) * 1.03);
        expect(lesson?.quantilesMs.at(-1)).toBeLessThanOrEqual(Math.max(...medians) * 2.06);
      }),
    );
  });
});

describe("weights", () => {
  const weights = fc.array(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), { minLength: 3, maxLength: 20 });

  test("no one of three is more than two fifths of all, and none becomes larger", () => {
    fc.assert(
      fc.property(weights, (given) => {
        const capped = capWeights(given);
        const sum = capped.reduce((total, weight) => total + weight, 0);
        for (const [index, weight] of capped.entries()) {
          expect(weight).toBeLessThanOrEqual(given[index] ?? 0);
          if (given.filter((one) => one > 0).length >= 3) {
            expect(weight).toBeLessThanOrEqual(sum * 0.4 * (1 + 1e-9));
          }
        }
      }),
    );
  });

  test("a median is between the two values that half of the weight is on either side of", () => {
    const even = [1, 2, 3, 4].map((value) => ({ value, weight: 1 }));
    expect(weightedMedian(even)).toBe(2.5);
    expect(weightedMedian([{ value: 9, weight: 5 }, ...even])).toBe(9);
    expect(weightedMedian([])).toBe(undefined);
  });
});
