import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { TokenUsage } from "../../src/core/model.ts";
import { createPriceBook } from "../../src/llm/prices.ts";

const NOW = Date.parse("2026-11-01T12:00:00Z");
const book = createPriceBook({ now: () => NOW });

function usage(tokens: Partial<TokenUsage>): TokenUsage {
  return {
    inputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    estimated: false,
    ...tokens,
  };
}

describe("a price book", () => {
  test("takes the catalogue's price of a model, and says which unit prices it applied", () => {
    const ref = { provider: "openai", model: "gpt-6-sol" };
    expect(book.price(ref, usage({ inputTokens: 1000, outputTokens: 500 }))).toEqual({
      costNanoUsd: 7_000_000n,
      priceSource: "catalogue",
      unitPrices: { input: 2, output: 10, cacheRead: 0.2, cacheWrite: 2.5 },
    });
  });

  test("applies a tier to the whole request, from the first token beyond it", () => {
    const ref = { provider: "openai", model: "gpt-6-sol" };
    const cost = (inputTokens: number) => book.price(ref, usage({ inputTokens })).costNanoUsd;
    expect(cost(272_000)).toBe(544_000_000n);
    expect(cost(272_001)).toBe(1_088_004_000n);
  });

  test("prices cache reads and both kinds of cache writes apart from the rest of the input", () => {
    const ref = { provider: "anthropic", model: "claude-opus-5-5" };
    const used = usage({
      inputTokens: 1000,
      cacheReadTokens: 100,
      cacheWriteTokens: 50,
      cacheWrite1hTokens: 20,
      outputTokens: 500,
    });
    // 850 × 4 + 100 × 0.2 + 30 × 5 + 20 × 8 + 500 × 20 millionths of a dollar.
    expect(book.price(ref, used).costNanoUsd).toBe(13_730_000n);
  });

  test("knows the catalogue's name of gemini, and prices embeddings", () => {
    const gemini = { provider: "gemini", model: "gemini-3-pro-preview" };
    expect(book.price(gemini, usage({ inputTokens: 1000, outputTokens: 500 })).costNanoUsd).toBe(8_000_000n);
    const small = { provider: "openai", model: "text-embedding-3-small" };
    expect(book.price(small, usage({ inputTokens: 1000 })).costNanoUsd).toBe(20_000n);
  });

  test("rounds half a nano-dollar up", () => {
    const own = createPriceBook({ now: () => NOW, prices: { m: { input: 0.0005, output: 0.0004 } } });
    const cost = (tokens: Partial<TokenUsage>) =>
      own.price({ provider: "p", model: "m" }, usage(tokens)).costNanoUsd;
    expect(cost({ inputTokens: 1 })).toBe(1n);
    expect(cost({ outputTokens: 1 })).toBe(0n);
    expect(cost({ inputTokens: 3 })).toBe(2n);
  });

  test("takes the user's price first, that of the provider's model before that of the model", () => {
    const own = createPriceBook({
      now: () => NOW,
      prices: {
        "gpt-6-sol": { input: 1, output: 1 },
        "azure/gpt-6-sol": { input: 3, output: 3, cacheRead: 0 },
      },
    });
    const used = usage({ inputTokens: 1_000_000, cacheReadTokens: 500_000 });
    expect(own.price({ provider: "openai", model: "gpt-6-sol" }, used, 99)).toMatchObject({
      costNanoUsd: 1_000_000_000n,
      priceSource: "user",
    });
    expect(own.price({ provider: "azure", model: "gpt-6-sol" }, used).costNanoUsd).toBe(1_500_000_000n);
  });

  test("makes local models free by a price of 0", () => {
    const own = createPriceBook({ now: () => NOW, prices: { "local/llama": { input: 0, output: 0 } } });
    const price = own.price(
      { provider: "local", model: "llama" },
      usage({ inputTokens: 9, outputTokens: 9 }),
    );
    expect(price).toMatchObject({ costNanoUsd: 0n, priceSource: "user" });
  });

  test("takes what the provider reports before the catalogue, unless that is no amount", () => {
    const ref = { provider: "openai", model: "gpt-6-sol" };
    const used = usage({ inputTokens: 1000 });
    expect(book.price(ref, used, 0.0123)).toEqual({
      costNanoUsd: 12_300_000n,
      priceSource: "provider",
      unitPrices: null,
    });
    expect(book.price(ref, used, Number.NaN).priceSource).toBe("catalogue");
    expect(book.price(ref, used, null).priceSource).toBe("catalogue");
  });

  test("says of a model that nobody knows that its price is unknown", () => {
    const unknown = { costNanoUsd: null, priceSource: "unknown", unitPrices: null };
    const used = usage({ inputTokens: 1000, outputTokens: 1 });
    expect(book.price({ provider: "openai", model: "no-such-model" }, used)).toEqual(unknown);
    // Elsewhere a model of the same name may cost anything.
    expect(book.price({ provider: "my-gateway", model: "gpt-6-sol" }, used)).toEqual(unknown);
    expect(book.price({ provider: "openai", model: "text-embedding-3-small" }, used)).toEqual(unknown);
  });

  test("names the family where only that is known, not for dated names", () => {
    const used = usage({ inputTokens: 1000 });
    expect(book.price({ provider: "anthropic", model: "claude-sonnet-5-nova" }, used).family).toBe(
      "claude-sonnet-5",
    );
    expect(
      book.price({ provider: "anthropic", model: "claude-opus-5-5-20261001" }, used).family,
    ).toBeUndefined();
  });

  test.each([
    [{ m: { input: 1 } }, "input or output is missing"],
    [{ m: { input: -1, output: 1 } }, "input is -1"],
    [{ m: { input: 1, output: Number.NaN } }, "output is NaN"],
    [{ m: { input: 1, output: 1, cached: 1 } }, "cached is 1"],
    [{ m: 5 }, "input or output is missing"],
  ])("refuses the prices %j", (prices, message) => {
    expect(() => createPriceBook({ now: () => NOW, prices: prices as never })).toThrow(message);
  });

  test("never throws and prints nothing, whatever it is asked", () => {
    const warn = vi.spyOn(console, "warn");
    const tokens = fc.oneof(fc.nat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER));
    fc.assert(
      fc.property(
        fc.constantFrom("openai", "anthropic", "gemini", "", "openrouter", "__proto__"),
        fc.oneof(fc.string(), fc.constantFrom("gpt-6-sol", "claude-opus-5-5", "constructor", "auto")),
        fc.tuple(tokens, tokens, tokens, tokens),
        (provider, model, [inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens]) => {
          const used = usage({ inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens });
          const { costNanoUsd } = book.price({ provider, model }, used);
          return costNanoUsd === null || costNanoUsd >= 0n;
        },
      ),
    );
    expect(warn).not.toHaveBeenCalled();
  });

  test("agrees with the catalogue's own sums, to a nano-dollar", () => {
    const { calcPrice } = createRequire(import.meta.url)("@pydantic/genai-prices");
    fc.assert(
      fc.property(
        fc.constantFrom(
          ["openai", "openai", "gpt-6-sol"],
          ["anthropic", "anthropic", "claude-opus-5-5"],
          ["gemini", "google", "gemini-2.5-pro"],
        ),
        fc.tuple(fc.nat(400_000), fc.nat(100_000)),
        fc.tuple(fc.float({ min: 0, max: 1, noNaN: true }), fc.float({ min: 0, max: 1, noNaN: true })),
        ([provider = "", theirs = "", model = ""], [inputTokens, outputTokens], [read, write]) => {
          const cacheReadTokens = Math.floor(inputTokens * read);
          const cacheWriteTokens = Math.floor((inputTokens - cacheReadTokens) * write);
          const ours = book.price(
            { provider, model },
            usage({ inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens }),
          );
          const total = calcPrice(
            {
              input_tokens: inputTokens,
              cache_read_tokens: cacheReadTokens,
              cache_write_tokens: cacheWriteTokens,
              output_tokens: outputTokens,
            },
            model,
            { providerId: theirs, timestamp: new Date(NOW) },
          ).total_price;
          return Math.abs(Number(ours.costNanoUsd) - total * 1e9) <= 1;
        },
      ),
    );
  });
});

describe("a price that nobody knows", () => {
  const mystery = { provider: "local", model: "mystery" };

  test("is what llm.unknownPrice says, as an estimate", () => {
    const book = createPriceBook({ unknownPrice: { usdPerMillionTokens: 3 }, now: () => NOW });
    expect(book.price(mystery, usage({ inputTokens: 1000, outputTokens: 500 }))).toMatchObject({
      costNanoUsd: 4_500_000n,
      priceSource: "estimate",
    });
    expect(book.price({ provider: "openai", model: "gpt-6-sol" }, usage({}))).toMatchObject({
      priceSource: "catalogue",
    });
  });

  test("stays unknown otherwise", () => {
    const book = createPriceBook({ unknownPrice: "refuse", now: () => NOW });
    expect(book.price(mystery, usage({ inputTokens: 1000 }))).toMatchObject({
      costNanoUsd: null,
      priceSource: "unknown",
    });
  });

  test.each([[{ usdPerMillionTokens: -1 }], [{ usdPerMillionTokens: Number.NaN }], [{}], ["allow"]])(
    "is not %j",
    (unknownPrice) => {
      const make = (): unknown => createPriceBook({ unknownPrice: unknownPrice as never, now: () => NOW });
      expect(make).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
    },
  );
});
