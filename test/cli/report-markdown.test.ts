import { expect, test } from "vitest";
import { byteSize, counted, escapeText, linker, percent, table } from "../../src/cli/report-markdown.ts";

test("text from outside stays text, on one line, in one cell", () => {
  expect(escapeText("a|b")).toBe("a\\|b");
  expect(escapeText("a\r\n\tb\u2028c")).toBe("a b c");
  expect(escapeText("<b> *x* `y` [z](u) ~w~ \\ $v$")).toBe(
    "\\<b\\> \\*x\\* \\`y\\` \\[z\\](u) \\~w\\~ \\\\ \\$v\\$",
  );
  expect(escapeText("a && b &amp; &#60;")).toBe("a && b \\&amp; \\&#60;");
});

test("underscores are escaped only where they could mean something", () => {
  expect(escapeText("snake_case __init__ _a")).toBe("snake_case \\_\\_init\\_\\_ \\_a");
});

test("a table without rows is nothing", () => {
  const columns = [
    ["Lines", "right"],
    ["File", "left"],
  ] as const;
  expect(table(columns, [])).toBe("");
  expect(table(columns, [["1", "a"]])).toBe("| Lines | File |\n| ---: | --- |\n| 1 | a |");
});

test("links lead from the report to the file, whatever its name", () => {
  const link = linker("/work/src", "/work/report.md");
  expect(link("a/b.ts")).toBe("[a/b.ts](src/a/b.ts)");
  expect(link("b.ts", 7)).toBe("[b.ts:7](src/b.ts#L7)");
  expect(link("a b (1)#[x]|.ts", 1, "here")).toBe("[here](src/a%20b%20%281%29%23%5Bx%5D%7C.ts#L1)");
  expect(link("x\ud800.ts")).toContain("(src/x%EF%BF%BD.ts)");
  expect(linker("/other", "/work/report.md")("a.ts")).toBe("[a.ts](../other/a.ts)");
});

test("shares are never rounded to nothing or to all", () => {
  expect([percent(0, 0), percent(0, 9), percent(9, 9)]).toEqual(["0 %", "0 %", "100 %"]);
  expect([percent(1, 10_000), percent(9_999, 10_000)]).toEqual(["under 0.1 %", "over 99 %"]);
  expect([percent(1, 30), percent(1, 3)]).toEqual(["3.3 %", "33 %"]);
});

test("numbers and sizes are easy to read", () => {
  expect([counted(1, "file"), counted(12_345, "file"), counted(2, "entry", "entries")]).toEqual([
    "1 file",
    "12,345 files",
    "2 entries",
  ]);
  expect([byteSize(999), byteSize(12_345), byteSize(3_456_789)]).toEqual(["999 B", "12 kB", "3.5 MB"]);
});
