import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isStorableText } from "../../src/core/json.ts";
import { type ChunkRules, chunkText } from "../../src/documents/chunk-text.ts";
import { findBlocks, type TextFormat } from "../../src/documents/find-blocks.ts";

const FORMATS: readonly TextFormat[] = ["markdown", "code", "text"];

const piece = fc.oneof(
  fc.constantFrom(
    "\n",
    "\n\n",
    "# Title\n",
    "## Part\n",
    "```js\n",
    "```\n",
    "  ",
    "function f() {\n",
    "}\n",
    ". ",
    "😀",
    "é",
  ),
  fc.string({ unit: "grapheme", maxLength: 30 }),
  fc.lorem({ maxCount: 20 }),
);
const texts = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join("").replaceAll("\0", ""));
const rules = fc
  .record({
    maxChars: fc.integer({ min: 2, max: 200 }),
    share: fc.double({ min: 0, max: 0.49, noNaN: true }),
    format: fc.constantFrom(...FORMATS),
  })
  .map(
    ({ maxChars, share, format }): ChunkRules => ({
      maxChars,
      overlapChars: Math.floor(maxChars * share),
      format,
    }),
  );

describe("a text cut into chunks", () => {
  test("blocks follow each other without gaps", () => {
    fc.assert(
      fc.property(texts, fc.constantFrom(...FORMATS), (text, format) => {
        const parts = findBlocks(text, format).map(({ start, end }) => text.slice(start, end));
        expect(parts.join("")).toBe(text);
      }),
    );
  });

  test("chunks are parts of the text at their offsets, in order, none longer than allowed", () => {
    fc.assert(
      fc.property(texts, rules, (text, rule) => {
        let last = { start: -1, end: -1 };
        for (const chunk of chunkText(text, rule)) {
          expect(text.slice(chunk.start, chunk.end)).toBe(chunk.text);
          expect(chunk.text.length).toBeLessThanOrEqual(rule.maxChars + 1);
          expect(chunk.start).toBeGreaterThanOrEqual(last.start);
          expect(chunk.end).toBeGreaterThan(last.end);
          expect(chunk.text.trim()).toBe(chunk.text);
          last = chunk;
        }
      }),
      { numRuns: 500 },
    );
  });

  test("all of the text but white space is in a chunk", () => {
    fc.assert(
      fc.property(texts, rules, (text, rule) => {
        let covered = 0;
        for (const { start, end } of chunkText(text, rule)) {
          expect(text.slice(covered, Math.max(covered, start)).trim()).toBe("");
          covered = end;
        }
        expect(text.slice(covered).trim()).toBe("");
      }),
      { numRuns: 500 },
    );
  });

  test("no chunk begins or ends within a surrogate pair", () => {
    fc.assert(
      fc.property(texts, rules, (text, rule) => {
        for (const chunk of chunkText(text, rule)) {
          expect(isStorableText(chunk.text)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("Markdown is cut at its headings", () => {
    const section = (name: string): string => `## ${name}\n\n${"word ".repeat(12)}\n\n`;
    const chunks = chunkText(section("One") + section("Two"), {
      maxChars: 100,
      overlapChars: 10,
      format: "markdown",
    });
    expect(chunks.map(({ text }) => text.split("\n")[0])).toEqual(["## One", "## Two"]);
  });

  test("fenced code that fits is not cut, whatever stands in it", () => {
    const code = "```sh\n# no heading\n\necho 1\n```";
    const text = `${"word ".repeat(15)}\n\n${code}\n\n${"word ".repeat(15)}`;
    const chunks = chunkText(text, { maxChars: 90, overlapChars: 0, format: "markdown" });
    expect(chunks.map((chunk) => chunk.text)).toContain(code);
  });

  test("code is cut between definitions", () => {
    const define = (name: string): string => `function ${name}() {\n  one();\n\n  two();\n}\n`;
    const chunks = chunkText(`${define("a")}\n${define("b")}`, {
      maxChars: 50,
      overlapChars: 0,
      format: "code",
    });
    expect(chunks.map(({ text }) => text)).toEqual([define("a").trim(), define("b").trim()]);
  });

  test("a long paragraph is cut after sentences, and the next chunk repeats the last words", () => {
    const text = "The first sentence is here. The second one follows it. The third one ends it.";
    const chunks = chunkText(text, { maxChars: 60, overlapChars: 12, format: "text" });
    expect(chunks.map((chunk) => chunk.text)).toEqual([
      "The first sentence is here.",
      "is here. The second one follows it.",
      "follows it. The third one ends it.",
    ]);
  });
});
