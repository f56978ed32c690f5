import { expect, test } from "vitest";
import { BLOCK_LINES, DuplicateFinder, type Duplicates } from "../../src/cli/report-duplicates.ts";
import { languageOf } from "../../src/cli/report-languages.ts";

/** Lines of code that are like no others. */
function lines(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `const ${name}${index} = compute("${name}", ${index});`);
}

function compare(files: Readonly<Record<string, readonly string[]>>): Duplicates {
  const finder = new DuplicateFinder();
  for (const [path, content] of Object.entries(files)) {
    const language = languageOf(path);
    if (language) {
      finder.add(path, language, content.join("\n"));
    }
  }
  return finder.result();
}

const SHARED = lines("shared", 12);

test("a block in two files is found once, whole, with both places", () => {
  const { pairs, pairCount, repeatedLines } = compare({
    "a.ts": [...lines("a", 3), ...SHARED, ...lines("aa", 3)],
    "b.ts": [...lines("b", 5), ...SHARED],
  });
  expect(pairCount).toBe(1);
  expect(repeatedLines).toBe(12);
  expect(pairs).toEqual([
    {
      lines: 12,
      blocks: 1,
      first: { path: "a.ts", from: 4, to: 15 },
      again: { path: "b.ts", from: 6, to: 17 },
    },
  ]);
});

test("indentation, comments and blank lines make no difference", () => {
  const other = SHARED.flatMap((line) => [`    ${line} // here`, "", "/* there */"]);
  const { repeatedLines } = compare({ "a.ts": [...SHARED, "a();"], "b.ts": [...other, "b();"] });
  expect(repeatedLines).toBe(12);
});

test("another text in a string makes one", () => {
  const other = SHARED.map((line) => line.replace('"shared"', '"other"'));
  expect(compare({ "a.ts": SHARED, "b.ts": other }).repeatedLines).toBe(0);
});

test(`fewer than ${BLOCK_LINES} lines are no block`, () => {
  const { repeatedLines } = compare({
    "a.ts": [...SHARED.slice(0, BLOCK_LINES - 1), ...lines("a", 9)],
    "b.ts": [...SHARED.slice(0, BLOCK_LINES - 1), ...lines("b", 9)],
  });
  expect(repeatedLines).toBe(0);
});

test("imports, closing brackets and short lines are no block", () => {
  const imports = Array.from(
    { length: 9 },
    (_, index) => `import { thing${index} } from "./thing${index}.ts";`,
  );
  const names = Array.from({ length: 9 }, (_, index) => `  aQuiteLongNameOfSomething${index},`);
  const frame = [...imports, "import {", ...names, '} from "./names.ts";', ...Array(12).fill("}")];
  const short = Array.from({ length: 10 }, (_, index) => `f(${index})`);
  const { repeatedLines } = compare({
    "a.ts": [...frame, ...lines("a", 9), ...short],
    "b.ts": [...frame, ...lines("b", 9), ...short],
  });
  expect(repeatedLines).toBe(0);
});

test("a file with one import over several lines is compared from there on", () => {
  const head = ["from typing import (", "    Any,", ")"];
  const { repeatedLines } = compare({
    "a.py": [...head, ...SHARED, "a()"],
    "b.py": [...head, ...SHARED, "b()"],
  });
  expect(repeatedLines).toBe(12);
});

test("a block twice in one file is found, and never overlaps itself", () => {
  const twice = compare({ "a.ts": [...SHARED, ...lines("a", 2), ...SHARED] });
  expect(twice.pairs).toMatchObject([
    { lines: 12, first: { path: "a.ts", from: 1, to: 12 }, again: { path: "a.ts", from: 15, to: 26 } },
  ]);
  const same = Array<string>(20).fill('console.log("the very same line, again and again");');
  const { pairs, repeatedLines } = compare({ "a.ts": same });
  expect(repeatedLines).toBeLessThan(20);
  expect(pairs.every(({ first, again }) => again.from > first.to)).toBe(true);
});

test("what stands in three files counts for each but the first", () => {
  const { repeatedLines, pairs } = compare({
    "a.ts": [...SHARED, "a();"],
    "b.ts": [...SHARED, "b();"],
    "c.ts": [...SHARED, "c();"],
  });
  expect(repeatedLines).toBe(24);
  expect(pairs.map(({ first, again }) => [first.path, again.path])).toEqual([
    ["a.ts", "b.ts"],
    ["a.ts", "c.ts"],
  ]);
});

test("copies of a whole file are told in one line", () => {
  const { same, sameCount, pairs, repeatedLines } = compare({
    "a.ts": SHARED,
    "b.ts": ["// a copy", ...SHARED],
    "c.ts": SHARED,
  });
  expect(same).toEqual([{ lines: 12, files: 3, paths: ["a.ts", "b.ts", "c.ts"] }]);
  expect(sameCount).toBe(1);
  expect(pairs).toEqual([]);
  expect(repeatedLines).toBe(24);
});
