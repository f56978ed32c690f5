import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evidenceJson, readEvidence } from "../../src/fleet/evidence.ts";
import { readGuidance } from "../../src/fleet/guidance.ts";
import { readPublication } from "../../src/fleet/publication.ts";
import { around, evidenceOf } from "./evidence-of.ts";

const SOURCE = "11111111-1111-4111-8111-111111111111";
const good = evidenceJson(evidenceOf("fetch", around(200, 20)));
const publication = (more: Readonly<Record<string, unknown>> = {}) => ({
  format: 1,
  source: SOURCE,
  seq: 1,
  evidence: [good],
  ...more,
});

describe("evidence is not believed", () => {
  const bad: readonly [string, unknown, string][] = [
    ["NaN", { ...good, logMean: Number.NaN }, "run times out of bounds"],
    ["an infinite mean", { ...good, logMean: Number.POSITIVE_INFINITY }, "run times out of bounds"],
    ["a negative variance", { ...good, logVariance: -1 }, "run times out of bounds"],
    ["a huge count", { ...good, samples: 1e300, successes: 1e300 }, "counts out of bounds"],
    ["a negative count", { ...good, failures: -5 }, "counts out of bounds"],
    ["a text as a count", { ...good, samples: "20" }, "counts out of bounds"],
    [
      "more samples than in its sketch",
      { ...good, samples: 1e6 },
      "a sketch and moments that contradict each other",
    ],
    [
      "a mean in nanoseconds over a sketch in milliseconds",
      { ...good, logMean: Math.log(200e6) },
      "a sketch and moments that contradict each other",
    ],
    ["a sketch with halves", { ...good, times: [100, 0.5] }, "a sketch that is none"],
    ["a sketch with bins beyond all", { ...good, times: [1e9, 20] }, "a sketch that is none"],
    [
      "a sketch of one huge bin",
      { ...good, times: [265, 1e12] },
      "a sketch and moments that contradict each other",
    ],
    ["a sketch of texts", { ...good, times: ["265", "20"] }, "a sketch that is none"],
    ["no sketch of a step", { ...good, times: [] }, "a sketch and moments that contradict each other"],
    ["a prototype key", { ...good, kind: "__proto__" }, "a kind that is no name"],
    ["a kind that is no name", { ...good, kind: "drop table" }, "a kind that is no name"],
    ["a kind that is too long", { ...good, kind: "x".repeat(1000) }, "a kind that is no name"],
    ["a topic of its own", { ...good, topic: "constructor" }, "an unknown topic"],
    ["a model that is no name", { ...good, model: "__proto__" }, "a model that is no name"],
    ["a negative cost", { ...good, costUsd: { samples: 1, mean: -1 } }, "costs or retries out of bounds"],
    ["a cost of a text", { ...good, costUsd: "1" }, "costs or retries out of bounds"],
    ["tokens beyond all", { ...good, inputTokens: 1e12 }, "counts out of bounds"],
    [
      "more retries completed than made",
      { ...good, retries: [{ code: "STEP_FAILED", tries: 1, completed: 2 }] },
      "costs or retries out of bounds",
    ],
    [
      "a retry of a prototype key",
      { ...good, retries: [{ code: "__proto__", tries: 1, completed: 1 }] },
      "costs or retries out of bounds",
    ],
    ["a time before there was any", { ...good, lastAt: 0 }, "a time out of bounds"],
    ["null", null, "no object"],
    ["a list", [good], "no object"],
  ];

  test.each(bad)("with %s", (_, value, reason) => {
    expect(readEvidence(JSON.parse(JSON.stringify(value)))).toBe(reason);
  });

  test("and with anything else that JSON holds it is read or refused, never thrown", () => {
    fc.assert(
      fc.property(
        fc.record({ base: fc.jsonValue(), key: fc.constantFrom(...Object.keys(good)) }),
        ({ base, key }) => {
          readEvidence(base);
          const read = readEvidence({ ...good, [key]: base });
          expect(typeof read === "string" || Number.isFinite(read.samples)).toBe(true);
        },
      ),
    );
  });
});

describe("a publication is ignored", () => {
  test.each([
    ["of another format", publication({ format: 2 }), "a format that is not understood"],
    ["without a format", { ...publication(), format: undefined }, "a format that is not understood"],
    ["without a source", publication({ source: "me" }), "no source"],
    ["with half a sequence number", publication({ seq: 1.5 }), "a sequence number that is none"],
    ["with a sequence number beyond all", publication({ seq: 1e300 }), "a sequence number that is none"],
    ["with too many entries", publication({ evidence: Array(501).fill(good) }), "too many entries, or none"],
    ["without entries", publication({ evidence: "none" }), "too many entries, or none"],
    ["that is null", null, "a format that is not understood"],
    ["that is a number", 7, "a format that is not understood"],
  ])("%s", (_, payload, reason) => {
    expect(readPublication(payload)).toBe(reason);
  });

  test("in part where only a part of it is bad", () => {
    const read = readPublication(publication({ evidence: [{ ...good, samples: -1 }, good, null] }));
    expect(read).toMatchObject({ ignored: ["counts out of bounds", "no object"] });
  });
});

describe("guidance", () => {
  const expected = { hub: SOURCE, version: 3 };
  const lesson = {
    topic: "step",
    kind: "fetch",
    model: "",
    samples: 20,
    sources: 2,
    only: null,
    medianMs: 200,
    meanMs: 210,
    sigma: 0.4,
    quantilesMs: Array.from({ length: 24 }, (_, index) => 100 + index * 10),
    successRate: 0.9,
    judged: 20,
    costUsd: null,
    inputTokens: 0,
    outputTokens: 0,
  };
  const guidance = (more: Readonly<Record<string, unknown>> = {}) => ({
    format: 1,
    ...expected,
    estimates: [lesson],
    routing: [],
    patterns: [],
    ...more,
  });

  test("of the hub is read", () => {
    expect(readGuidance(guidance(), expected)).toEqual({ guidance: guidance(), ignored: [] });
  });

  test.each([
    ["of another hub", { hub: "22222222-2222-4222-8222-222222222222" }, "another hub's"],
    ["of a version that is ahead", { version: 1e15 }, "a version that is not its place in the channel"],
    ["of a format to come", { format: 9 }, "a format that is not understood"],
    ["with too much in it", { patterns: Array(5000).fill(null) }, "too many entries, or none"],
  ])("%s is ignored", (_, more, reason) => {
    expect(readGuidance(guidance(more), expected)).toBe(reason);
  });

  test.each([
    ["an infinite median", { medianMs: Number.POSITIVE_INFINITY }, "run times out of bounds"],
    ["a median beyond its quantiles", { medianMs: 5000 }, "run times out of bounds"],
    ["quantiles that fall", { quantilesMs: lesson.quantilesMs.toReversed() }, "run times out of bounds"],
    ["a rate of 2", { successRate: 2 }, "costs or rates out of bounds"],
    ["a prototype key", { kind: "__proto__" }, "a kind that is no name"],
    ["the topic of models", { topic: "model", model: "openai/gpt-5" }, "an entry in the wrong place"],
  ])("goes without an entry with %s", (_, more, reason) => {
    const read = readGuidance(guidance({ estimates: [{ ...lesson, ...more }] }), expected);
    expect(read).toMatchObject({ guidance: { estimates: [] }, ignored: [reason] });
  });
});
