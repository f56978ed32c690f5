import { describe, expect, test } from "vitest";
import { estimateCall, estimateTokens } from "../../src/llm/estimate.ts";

// What OpenAI's o200k_base makes of them.
const PROSE = "It was the best of times, it was the worst of times, it was the age of wisdom. ";
const PROSE_TOKENS = 20;
const SMALL_OBJECT = '{"a":1,"b":true,"c":null}';
const SMALL_OBJECT_TOKENS = 12;

describe("an estimate of tokens", () => {
  test.each([
    ["prose", PROSE.repeat(20), PROSE_TOKENS * 20],
    ["JSON", `[${Array(50).fill(SMALL_OBJECT).join(",")}]`, SMALL_OBJECT_TOKENS * 50],
    ["Chinese", "人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。", 36],
    ["an id", "0194fdc2-fa2f-4cc0-81d3-ff12045b73c8", 21],
  ])("of %s is not below the truth, and not far above", (_, text, tokens) => {
    expect(estimateTokens(text)).toBeGreaterThanOrEqual(tokens * 0.95);
    expect(estimateTokens(text)).toBeLessThanOrEqual(tokens * 1.8);
  });

  test("of nothing is 0", () => {
    expect(estimateTokens("")).toBe(0);
  });

  test("grows with the text", () => {
    expect(estimateTokens("a b c d e f g h i j")).toBeGreaterThan(estimateTokens("a b c d e"));
  });
});

describe("an estimate of a call", () => {
  const messages = [{ role: "user", content: PROSE.repeat(20) }] as const;

  test("takes the output at its maximum", () => {
    expect(estimateCall({ model: "m", messages, maxOutputTokens: 777 }).outputTokens).toBe(777);
  });

  test("counts the schema, the tools, their calls and what goes back word for word", () => {
    const bare = estimateCall({ model: "m", messages, maxOutputTokens: 1 }).inputTokens;
    const more = (add: object): number =>
      estimateCall({ model: "m", messages, maxOutputTokens: 1, ...add }).inputTokens - bare;
    const json = { type: "object", properties: { name: { type: "string" } } };
    expect(more({ schema: { name: "s", json } })).toBeGreaterThan(15);
    expect(more({ tools: [{ name: "look", description: "looks", parameters: json }] })).toBeGreaterThan(15);
    const turn = { role: "assistant", content: "" } as const;
    const asked = { ...turn, toolCalls: [{ id: "1", name: "look", args: { at: PROSE } }] };
    expect(more({ messages: [...messages, asked] })).toBeGreaterThan(PROSE_TOKENS);
    const thought = { ...turn, native: { provider: "p", items: [PROSE] } };
    expect(more({ messages: [...messages, thought] })).toBeGreaterThan(PROSE_TOKENS);
  });
});
