import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chunkText } from "../../src/documents/chunk.ts";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 2000 }),
  fc
    .array(fc.constantFrom("# Title\n", "word ", "sentence. ", "\n\n", "\n", "  ", "😀", "x".repeat(90)), {
      maxLength: 300,
    })
    .map((parts) => parts.join("")),
);
const options = fc.integer({ min: 50, max: 400 }).chain((maxLength) =>
  fc.record({
    maxLength: fc.constant(maxLength),
    overlap: fc.integer({ min: 0, max: Math.ceil(maxLength / 2) - 1 }),
  }),
);

describe("chunks of any text", () => {
  test("are its slices, none empty or too long, and go on from start to end", () => {
    fc.assert(
      fc.property(text, options, (whole, how) => {
        let last = -1;
        for (const { text: piece, start, end } of chunkText(whole, how)) {
          expect(whole.slice(start, end)).toBe(piece);
          expect(piece.trim()).not.toBe("");
          expect(piece.length).toBeLessThanOrEqual(how.maxLength);
          expect(start).toBeGreaterThan(last);
          last = start;
        }
      }),
    );
  });

  test("leave out nothing but white space", () => {
    fc.assert(
      fc.property(text, options, (whole, how) => {
        const covered = new Array<boolean>(whole.length).fill(false);
        for (const { start, end } of chunkText(whole, how)) {
          covered.fill(true, start, end);
        }
        const missed = [...covered.keys()].filter((at) => !covered[at]).map((at) => whole[at]);
        expect(missed.join("").trim()).toBe("");
      }),
    );
  });

  test("do not begin or end within a surrogate pair", () => {
    const emoji = fc.array(fc.constantFrom("😀", "a", "é"), { maxLength: 600 }).map((all) => all.join(""));
    fc.assert(
      fc.property(emoji, options, (whole, how) => {
        for (const { text: piece } of chunkText(whole, how)) {
          expect(piece).not.toMatch(/\p{Cs}/u);
        }
      }),
    );
  });
});

describe("a text is cut", () => {
  test("before a heading rather than within a section", () => {
    const section = (title: string): string => `# ${title}\n\n${"Some words here. ".repeat(4)}\n`;
    const chunks = chunkText(section("One") + section("Two"), { maxLength: 120 });
    expect(chunks.map((chunk) => chunk.text.split("\n")[0])).toEqual(["# One", "# Two"]);
  });

  test("at the end of a sentence rather than within it", () => {
    const chunks = chunkText("The first sentence is this one. The second sentence is this one.", {
      maxLength: 50,
    });
    expect(chunks.map((chunk) => chunk.text)).toEqual([
      "The first sentence is this one.",
      "The second sentence is this one.",
    ]);
  });

  test("with the last words of the piece before, if it is to overlap", () => {
    const [first, second] = chunkText("alpha beta gamma delta ".repeat(10), { maxLength: 100, overlap: 20 });
    expect(second?.start).toBeLessThan(first?.end as number);
  });

  test("not at all if it fits", () => {
    expect(chunkText("  short \n")).toEqual([{ text: "short", start: 2, end: 7 }]);
    expect(chunkText(" \n ")).toEqual([]);
  });
});
