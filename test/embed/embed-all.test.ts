import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { embedAll, toBatches } from "../../src/embed/embed-all.ts";
import { rejection } from "../promises.ts";

const limits = fc.record({
  batchSize: fc.integer({ min: 1, max: 7 }),
  batchTokens: fc.integer({ min: 1, max: 40 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
});
const someTexts = fc.array(fc.string({ maxLength: 12 }), { maxLength: 40 });
const countTokens = (text: string): number => text.length;

/** Tells which text a vector is of. */
const vectorOf = (text: string): readonly number[] => [
  text.length,
  ...Array.from(text, (c) => c.charCodeAt(0)),
];

describe("texts that are embedded", () => {
  test("each distinct one is asked for once, and the answers are in the order of the texts", async () => {
    await fc.assert(
      fc.asyncProperty(someTexts, limits, async (texts, embedder) => {
        const asked: string[] = [];
        const vectors = await embedAll(texts, {
          embedder,
          countTokens,
          ask: async (batch) => {
            asked.push(...batch);
            return batch.map(vectorOf);
          },
        });
        expect(vectors).toEqual(texts.map(vectorOf));
        expect(asked.toSorted()).toEqual([...new Set(texts)].toSorted());
      }),
    );
  });

  test("batches keep to size and tokens, but for a text that is too long alone", () => {
    fc.assert(
      fc.property(someTexts, limits, (texts, { batchSize, batchTokens }) => {
        const batches = toBatches(texts, { batchSize, batchTokens }, countTokens);
        expect(batches.flat()).toEqual(texts);
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(batchSize);
          const tokens = batch.reduce((sum, text) => sum + text.length, 0);
          expect(batch.length === 1 || tokens <= batchTokens).toBe(true);
        }
      }),
    );
  });

  test("progress counts every text, and ends with all of them", async () => {
    const told: number[] = [];
    await embedAll(["a", "b", "a", "c"], {
      embedder: { batchSize: 1, batchTokens: 10 },
      countTokens,
      ask: async (batch) => batch.map(vectorOf),
      onProgress: (done) => told.push(done),
    });
    expect(told).toEqual([2, 3, 4]);
  });

  test("after a failure nothing more is begun, and what is under way is waited for", async () => {
    const begun: string[] = [];
    let ended = 0;
    const error = await rejection(
      embedAll(["a", "b", "c", "d"], {
        embedder: { batchSize: 1, batchTokens: 10, concurrency: 2 },
        countTokens,
        ask: async ([text]) => {
          begun.push(text ?? "");
          await Promise.resolve();
          if (text === "a") {
            throw new Error("no");
          }
          await Promise.resolve();
          ended += 1;
          return [[1]];
        },
      }),
    );
    expect(error).toEqual(new Error("no"));
    expect(begun).toEqual(["a", "b"]);
    expect(ended).toBe(1);
  });
});
