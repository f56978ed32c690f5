import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normalised } from "../../src/core/vectors.ts";
import { hashEmbedder } from "../../src/embed/hash-embedder.ts";

const signal = new AbortController().signal;
const about = { purpose: "query", signal, timeoutMs: 1000, callId: "call" } as const;

async function embed(texts: readonly string[], dimensions?: number): Promise<(readonly number[])[]> {
  const { vectors } = await hashEmbedder(dimensions).embed({ ...about, texts });
  return vectors.map((vector) => normalised(vector));
}

function likeness(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}

describe("the hash embedder", () => {
  test("gives a text the same vector whatever came before it, however long", async () => {
    const long = Array.from({ length: 20_000 }, (_, n) => `word${n % 7000}`).join(" ");
    const [first, second, short] = await embed([long, long, "Deploy the billing service"]);
    expect(second).toEqual(first);
    expect([short]).toEqual(await embed(["Deploy the billing service"]));
  });

  test("gives the same vectors in every process and version", async () => {
    const [vector] = await embed(["Deploy the billing service"], 16);
    expect(vector).toMatchInlineSnapshot(`
      [
        -0.41373653,
        -0.14480779,
        -0.14480779,
        0.41373653,
        0,
        0,
        -0.14480779,
        0.07240389,
        -0.07240389,
        -0.14480779,
        -0.14480779,
        0.12412096,
        -0.27927216,
        0,
        -0.66197845,
        -0.10343413,
      ]
    `);
  });

  test("has 384 numbers unless told otherwise", async () => {
    expect((await embed(["a"]))[0]).toHaveLength(384);
    expect((await embed(["a"], 512))[0]).toHaveLength(512);
  });

  test("puts texts that share words and stems nearer to each other than others", async () => {
    const [query, near, stem, far] = (await embed([
      "refund a customer order",
      "How to refund the order of a customer",
      "orders were refunded to customers",
      "kubernetes cluster autoscaling",
    ])) as [number[], number[], number[], number[]];
    expect(likeness(query, near)).toBeGreaterThan(0.6);
    expect(likeness(query, stem)).toBeGreaterThan(likeness(query, far) + 0.2);
  });

  test("does not mind case, width or the form of accents", async () => {
    const [a, b] = await embed(["Café ＡＢＣ", "cafe\u0301 abc"]);
    expect(a).toEqual(b);
  });

  test("gives every text a vector of length 1, whatever it holds", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "binary", minLength: 1 }),
        fc.integer({ min: 1, max: 64 }),
        async (text, n) => {
          const [vector] = await embed([text], n);
          const norm = Math.hypot(...(vector ?? []));
          expect(norm).toBeCloseTo(1, 5);
        },
      ),
    );
  });
});
