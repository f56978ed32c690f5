import { describe, expect, test } from "vitest";
import { findFunctions } from "../../src/cli/report-functions.ts";
import { findImports } from "../../src/cli/report-imports.ts";
import { isGenerated, type Language, languageOf } from "../../src/cli/report-languages.ts";
import { findNotes } from "../../src/cli/report-notes.ts";
import { type ScannedLine, scan } from "../../src/cli/report-scan.ts";

function language(path: string): Language {
  const found = languageOf(path);
  if (!found) {
    throw new Error(`no language for ${path}`);
  }
  return found;
}

function scanFile(path: string, ...lines: string[]): ScannedLine[] {
  return scan(lines.join("\n"), language(path).syntax);
}

function kinds(path: string, ...lines: string[]): string[] {
  return scanFile(path, ...lines).map(({ kind }) => kind);
}

describe("languages", () => {
  test.each([
    ["a.ts", "TypeScript"],
    ["deep/a.test.tsx", "TypeScript"],
    ["a.d.ts", "TypeScript declarations"],
    ["a.d.mts", "TypeScript declarations"],
    ["a.mjs", "JavaScript"],
    ["A.PY", "Python"],
    ["README.md", "Markdown"],
    ["d.ts", "TypeScript"],
  ])("%s is %s", (path, name) => {
    expect(languageOf(path)?.name).toBe(name);
  });

  test.each(["LICENSE", ".gitignore", "a.ts.map", "a.png", "folder.ts/file", "constructor"])(
    "%s is in none that is known",
    (path) => {
      expect(languageOf(path)).toBeUndefined();
    },
  );

  test("lock files and minified code are generated", () => {
    expect(["x/package-lock.json", "a.min.js", "b-min.css"].every(isGenerated)).toBe(true);
    expect(["package.json", "admin.js", "min.js"].some(isGenerated)).toBe(false);
  });
});

describe("telling code from comments", () => {
  test("a line with both is code, a line with neither is blank", () => {
    expect(
      kinds("a.ts", "const a = 1; // one", "// two", "", "   ", "/* three */", "/* four */ b();"),
    ).toEqual(["code", "comment", "blank", "blank", "comment", "code"]);
  });

  test("a block comment goes on to its end", () => {
    expect(kinds("a.ts", "/**", " * text", "", " */", "x();", "/* a", "b */ y();")).toEqual([
      "comment",
      "comment",
      "blank",
      "comment",
      "code",
      "comment",
      "code",
    ]);
  });

  test("comment signs in strings, templates and regular expressions are code", () => {
    const lines = scanFile(
      "a.ts",
      'const a = "// no /* no";',
      "const b = 'it\\'s // no';",
      "const c = `// no",
      `/* no \${d(\`// \${'}'} no\`)} // no`,
      "`;",
      'const e = /\\/*[/*]"/.test(f); // yes',
      "const g = h / 2; // yes / yes",
    );
    expect(lines.every(({ kind }) => kind === "code")).toBe(true);
    expect(lines.map(({ comment }) => comment.trim())).toEqual(["", "", "", "", "", "yes", "yes / yes"]);
  });

  test("an apostrophe in the text of JSX does not hide what follows", () => {
    const [line] = scanFile("a.tsx", "<p>don't {a /* yes */}</p>");
    expect(line?.comment.trim()).toBe("yes");
  });

  test("Python's docstrings are comments, its other long strings are code", () => {
    expect(
      kinds(
        "a.py",
        "def f():",
        '    """Says',
        "    hello.",
        '    """',
        "    x = '''",
        "# no",
        "'''",
        "# yes",
      ),
    ).toEqual(["code", "comment", "comment", "comment", "code", "code", "code", "comment"]);
  });

  test("in a shell, # begins a comment only after white space", () => {
    const lines = scanFile("a.sh", `echo $# \${#a} # yes`, "# yes");
    expect(lines.map(({ comment }) => comment.trim())).toEqual(["yes", "yes"]);
  });

  test("lines can end in any of the three ways, and the last one need not end", () => {
    expect(scan("a\r\nb\rc\nd", language("a.ts").syntax).map(({ text }) => text)).toEqual([
      "a",
      "b",
      "c",
      "d",
    ]);
    expect(scan("a\n", language("a.ts").syntax)).toHaveLength(1);
    expect(scan("", language("a.ts").syntax)).toEqual([]);
  });

  test("code and what it was made of have the same columns", () => {
    const [line] = scanFile("a.ts", "f('abc', /d/g /* e */); // g");
    expect(line?.code).toHaveLength(line?.text.length ?? 0);
    expect(line?.code.trimEnd()).toBe("f('   ', / /g        );");
    expect(line?.bare.trimEnd()).toBe("f('abc', /d/g        );");
  });
});

describe("notes", () => {
  test("are found in comments only", () => {
    const lines = scanFile(
      "a.ts",
      "// TODO: one",
      'const TODO = "TODO: not this";',
      "/** @todo two */",
      "f(); // FIXME(ann): three",
      " * HACK",
      "/*",
      " * XXX four",
      " */",
    );
    expect(findNotes(lines)).toEqual([
      { kind: "TODO", line: 1, text: "one" },
      { kind: "TODO", line: 3, text: "two" },
      { kind: "FIXME", line: 4, text: "(ann): three" },
      { kind: "XXX", line: 7, text: "four" },
    ]);
  });

  test("a word in a sentence is none", () => {
    expect(
      findNotes(scanFile("a.ts", "// finds TODO and FIXME notes", "// TODOs", "// todo: small")),
    ).toEqual([]);
  });

  test("are found in Python's comments and docstrings", () => {
    const lines = scanFile("a.py", "x = 1  # TODO one", '"""', "FIXME: two", '"""', "y = 'TODO: no'");
    expect(findNotes(lines).map(({ text }) => text)).toEqual(["one", "two"]);
  });
});

describe("functions", () => {
  function found(path: string, ...lines: string[]): string[] {
    const { dialect } = language(path);
    return findFunctions(scanFile(path, ...lines), dialect ?? "javascript")
      .sort((a, b) => a.line - b.line)
      .map(({ name, line, lines: length }) => `${name} ${line}+${length}`);
  }

  test("declarations, methods and functions that a name is given to are found", () => {
    expect(
      found(
        "a.ts",
        "export async function plain<T extends { a: string }>(a: T): Promise<{ b: string }> {",
        "  return { b: a.a };",
        "}",
        "const arrow = async (): Promise<void> => {",
        "};",
        "const typed: (a: number) => void = (a) => {",
        "};",
        "class A {",
        "  constructor() {",
        "  }",
        "  get #x(): number { return 1; }",
        "  [Symbol.iterator]() {",
        "  }",
        "  readonly later = () => {",
        "  };",
        "}",
        "module.exports.old = function () {",
        "};",
      ),
    ).toEqual([
      "plain 1+3",
      "arrow 4+2",
      "typed 6+2",
      "constructor 9+2",
      "#x 11+1",
      "[Symbol.iterator] 12+2",
      "later 14+2",
      "old 17+2",
    ]);
  });

  test("blocks, callbacks, types and brackets in strings are none", () => {
    expect(
      found(
        "a.ts",
        "if (a) {",
        "} else if (b) {",
        "}",
        "for await (const c of d) {",
        "}",
        "switch (e) {",
        "}",
        'list.map((x) => { return "{(" + x; });',
        "type F = (a: string) => { b: string };",
        "class B extends c(D) {",
        "}",
      ),
    ).toEqual([]);
  });

  test("what follows a function does not belong to it", () => {
    expect(found("a.ts", "function a(): B {", "}", "", "class C {", "}")).toEqual(["a 1+2"]);
  });

  test("in Python, indentation says where a function ends", () => {
    expect(
      found(
        "a.py",
        "class A:",
        "    async def b(",
        "        self,",
        "    ):",
        "        def c():",
        "            return '''",
        "not the end",
        "'''",
        "        return c",
        "",
        "    # not in b",
        "    def d(self): pass",
        "x = 1",
      ),
    ).toEqual(["b 2+8", "c 5+4", "d 12+1"]);
  });
});

describe("imports", () => {
  test("of packages go by the package's name, of own files by their path", () => {
    const lines = scanFile(
      "src/a.ts",
      'import type { b } from "./b.ts";',
      "import {",
      "  c,",
      "} from '../lib/index.js';",
      'export * from "@scope/name/part";',
      'import "node:fs/promises";',
      'const d = require("d/e");',
      'const f = await import("./b");',
      "const text = \"import x from 'no'\";",
      '// import "never";',
    );
    expect(findImports("src/a.ts", lines, "javascript")).toEqual({
      own: ["lib", "src/b"],
      packages: ["@scope/name", "d", "node:fs"],
    });
  });

  test("in Python, dots lead upwards", () => {
    const lines = scanFile(
      "pkg/sub/a.py",
      "import os.path, sys as system",
      "from . import b, c as d",
      "from ..e.f import (",
      "    g,",
      ")",
      "from typing import Any",
      "'import no'",
    );
    expect(findImports("pkg/sub/a.py", lines, "python")).toEqual({
      own: ["pkg/e/f", "pkg/sub/b", "pkg/sub/c"],
      packages: ["os", "sys", "typing"],
    });
  });

  test("what lies outside the folder is not named", () => {
    const lines = scanFile("a.ts", 'import "../outside.ts";');
    expect(findImports("a.ts", lines, "javascript")).toEqual({ own: [], packages: [] });
  });
});
