import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { placeIn, whyClosed } from "../../src/cli/steps-folder.ts";
import { findMatches, toMatcher } from "../../src/cli/steps-glob.ts";
import { type ReadFiles, readFiles } from "../../src/cli/steps-read.ts";
import { makeReport, writeReport } from "../../src/cli/steps-report.ts";
import { type WrittenFile, writeText } from "../../src/cli/steps-write.ts";

const { signal } = new AbortController();
let base: string;
let folder: string;
let outside: string;

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "goalpost-steps-")));
  folder = join(base, "work");
  outside = join(base, "outside");
  mkdirSync(join(folder, "src", "deep"), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, "passwd"), "root");
  writeFileSync(join(folder, "README.md"), "# Hello\n");
  writeFileSync(join(folder, "src", "a.ts"), "a");
  writeFileSync(join(folder, "src", "deep", "b.ts"), "b");
  writeFileSync(join(folder, "src", "c.js"), "c");
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function read(paths: readonly string[], maxBytes = 100_000): Promise<ReadFiles> {
  return readFiles(folder, { paths, maxBytes }, signal);
}

function write(path: string, text: string, overwrite = false): Promise<WrittenFile> {
  return writeText(folder, { path, text, mayReplace: () => overwrite });
}

const refusal = { code: "INVALID_INPUT", retryable: false };

describe("reading files", () => {
  test("reads what is named, and what fits a pattern, once each", async () => {
    const { files, notes } = await read(["README.md", "./src/a.ts", "src/**/*.ts", join(folder, "src/c.js")]);
    expect(files).toEqual([
      { path: "README.md", text: "# Hello\n", bytes: 8, cut: false },
      { path: "src/a.ts", text: "a", bytes: 1, cut: false },
      { path: "src/deep/b.ts", text: "b", bytes: 1, cut: false },
      { path: "src/c.js", text: "c", bytes: 1, cut: false },
    ]);
    expect(notes).toEqual([]);
  });

  test.each([
    "../outside/passwd",
    "src/../../outside/passwd",
    "..\\outside\\passwd",
    "/etc/passwd",
    "../**",
    "/etc/*",
    "",
    "a\0b",
  ])("refuses %j", async (path) => {
    await expect(read([path])).rejects.toMatchObject(refusal);
  });

  test("refuses an absolute path outside, and says which folder it keeps to", async () => {
    await expect(read([join(outside, "passwd")])).rejects.toThrow(folder);
  });

  test("refuses a sibling folder whose name begins alike", async () => {
    mkdirSync(`${folder}-2`);
    writeFileSync(`${folder}-2/x`, "x");
    await expect(read([`${folder}-2/x`])).rejects.toMatchObject(refusal);
  });

  test("refuses links that lead out, be it a file or a folder on the way, and follows those that stay", async () => {
    symlinkSync(join(outside, "passwd"), join(folder, "innocent.txt"));
    symlinkSync(outside, join(folder, "docs"));
    symlinkSync(join(folder, "README.md"), join(folder, "also.md"));
    await expect(read(["innocent.txt"])).rejects.toThrow(/leads out of the working folder/);
    await expect(read(["docs/passwd"])).rejects.toThrow(/leads out of the working folder/);
    expect((await read(["also.md"])).files[0]?.text).toBe("# Hello\n");
    expect((await read(["**/*"])).files.map(({ path }) => path)).not.toContain("docs/passwd");
    expect((await read(["**/*"])).files.map(({ path }) => path)).not.toContain("innocent.txt");
  });

  test("refuses what is likely to hold secrets, also behind a link, and leaves it out of patterns", async () => {
    writeFileSync(join(folder, ".env"), "KEY=1");
    writeFileSync(join(folder, "server.pem"), "key");
    symlinkSync(join(folder, ".env"), join(folder, "notes.txt"));
    await expect(read([".env"])).rejects.toThrow(/hold secrets/);
    await expect(read(["notes.txt"])).rejects.toThrow(/hold secrets/);
    const { files, notes } = await read(["*"]);
    expect(files.map(({ path }) => path)).toEqual(["README.md"]);
    expect(notes).toEqual(["*: 2 files that fit are closed to steps"]);
  });

  test("refuses folders, pipes and what does not exist, and waits for none of them", async () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await expect(read(["src"])).rejects.toThrow(/it is a folder/);
    await expect(read(["pipe"])).rejects.toThrow(/it is no file/);
    await expect(read(["nowhere.md"])).rejects.toThrow(/there is no such file/);
    await expect(read(["README.md/x"])).rejects.toMatchObject(refusal);
  });

  test("cuts what is too large, between characters, and says so", async () => {
    writeFileSync(join(folder, "large.txt"), "aü".repeat(10));
    writeFileSync(join(folder, "next.txt"), "next");
    const { files, notes } = await read(["large.txt", "next.txt"], 5);
    expect(files).toEqual([
      { path: "large.txt", text: "aüa", bytes: 30, cut: true },
      { path: "next.txt", text: "n", bytes: 4, cut: true },
    ]);
    expect(notes[0]).toBe("large.txt: only the beginning, of 30 bytes");
    const second = await read(["README.md", "next.txt"], 8);
    expect(second.notes).toEqual(["next.txt: not read, the 8 bytes were used up"]);
  });

  test("leaves binary files out, with a note", async () => {
    writeFileSync(join(folder, "a.png"), Buffer.from([137, 80, 0, 1]));
    writeFileSync(join(folder, "latin1.txt"), Buffer.from([0xe4, 0x20, 0x62]));
    const { files, notes } = await read(["a.png", "latin1.txt"]);
    expect(files).toEqual([]);
    expect(notes[0]).toMatch(/a\.png: not read, it is a binary file of 4 bytes/);
    expect(notes[1]).toMatch(/or not in UTF-8/);
  });

  test("reads a limited number of files", async () => {
    mkdirSync(join(folder, "many"));
    for (let n = 0; n < 210; n++) {
      writeFileSync(join(folder, "many", `${n}.txt`), "x");
    }
    const { files, notes } = await read(["many/*"]);
    expect(files).toHaveLength(200);
    expect(notes).toEqual(["10 more files were not read: 200 are read at most"]);
  });
});

describe("what is closed to steps", () => {
  test.each([
    ".env",
    ".env.local",
    ".ENV",
    "a/.env.production",
    "server.key",
    "cert.PEM",
    ".npmrc",
    ".netrc",
    "id_rsa",
    "id_ed25519.pub",
    "credentials.json",
    ".aws/config",
    "config/secrets.yml",
    "service-account-prod.json",
    "terraform.tfvars",
    ".ssh/config",
    ".git/config",
    "sub/.git/hooks/x",
    ".GIT/config",
    ".git /config",
    ".git::$DATA/x",
    "node_modules/a/index.js",
    ".goalpost/db/x",
    "a/.docker/config.json",
    ".env.",
  ])("%s", (path) => {
    expect(whyClosed(path)).toBeDefined();
  });

  test.each([
    "README.md",
    ".env.example",
    "env.ts",
    "src/secrets.ts",
    "keys.md",
    "src/keyboard.ts",
    ".github/workflows/ci.yml",
    "environment.env.md",
    "credential-store.ts",
    "gitlog.txt",
  ])("not %s", (path) => {
    expect(whyClosed(path)).toBeUndefined();
  });
});

describe("patterns", () => {
  test.each<[string, string, boolean]>([
    ["*.md", "README.md", true],
    ["*.md", "docs/README.md", false],
    ["**/*.md", "README.md", true],
    ["**/*.md", "a/b/c.md", true],
    ["src/**", "src/a/b.ts", true],
    ["src/**/b.ts", "src/b.ts", true],
    ["src/**/b.ts", "lib/b.ts", false],
    ["**/deep/**/x?.{ts,tsx}", "a/deep/b/x1.tsx", true],
    ["{a,b/{c,d}}/*", "b/d/x", true],
    ["{a,b/{c,d}}/*", "b/e/x", false],
    ["a*b*c", "aXbXbXc", true],
    ["a*b*c", "aXbXbX", false],
    ["./src/*.ts", "src/a.ts", true],
    ["a.c", "abc", false],
  ])("%s against %s: %s", (pattern, path, fits) => {
    expect(toMatcher(pattern)(path)).toBe(fits);
  });

  test("that would take for ever with backtracking are decided at once", () => {
    const begin = performance.now();
    expect(toMatcher("*a".repeat(60))(`${"a".repeat(250)}b`)).toBe(false);
    expect(toMatcher(`${"**/".repeat(60)}x`)(`${"a/".repeat(100)}y`)).toBe(false);
    expect(performance.now() - begin).toBeLessThan(200);
  });

  test("with too many alternatives, or too long, are refused", () => {
    expect(() => toMatcher("{a,b}".repeat(20))).toThrow(/too large/);
    expect(() => toMatcher("a".repeat(500))).toThrow(/too large/);
  });

  test("find nothing in folders that are closed", async () => {
    mkdirSync(join(folder, "node_modules"));
    writeFileSync(join(folder, "node_modules", "x.ts"), "");
    const { paths } = await findMatches(folder, ["**/*.ts"], signal);
    expect(paths).toEqual(["src/a.ts", "src/deep/b.ts"]);
  });
});

describe("writing a file", () => {
  test("makes it, with its folders, and leaves no draft behind", async () => {
    expect(await write("docs/new/summary.md", "hi ü")).toEqual({
      path: "docs/new/summary.md",
      bytes: 5,
      changed: true,
    });
    expect(readFileSync(join(folder, "docs/new/summary.md"), "utf8")).toBe("hi ü");
    expect(readdirSync(join(folder, "docs/new"))).toEqual(["summary.md"]);
  });

  test("once more with the same text changes nothing, so that a retry is harmless", async () => {
    await write("a.md", "text");
    const before = statSync(join(folder, "a.md")).mtimeMs;
    expect(await write("a.md", "text")).toEqual({ path: "a.md", bytes: 4, changed: false });
    expect(statSync(join(folder, "a.md")).mtimeMs).toBe(before);
  });

  test("replaces another text only if it may, and keeps the file's mode", async () => {
    await expect(write("README.md", "mine")).rejects.toThrow(/overwrite: true/);
    expect(readFileSync(join(folder, "README.md"), "utf8")).toBe("# Hello\n");
    chmodSync(join(folder, "README.md"), 0o640);
    expect(await write("README.md", "mine", true)).toMatchObject({ changed: true });
    expect(readFileSync(join(folder, "README.md"), "utf8")).toBe("mine");
    expect(statSync(join(folder, "README.md")).mode & 0o777).toBe(0o640);
  });

  test("replaces the name, not what another name for the file shows", async () => {
    linkSync(join(folder, "README.md"), join(base, "hard"));
    await write("README.md", "mine", true);
    expect(readFileSync(join(base, "hard"), "utf8")).toBe("# Hello\n");
  });

  test.each([
    "../x",
    "/tmp/goalpost-x",
    "src/../../x",
    ".env",
    "certs/server.key",
    ".git/hooks/pre-commit",
    "node_modules/a/index.js",
    ".goalpost/x",
    ".github/workflows/x.yml",
    ".bashrc",
    "a/.vscode/tasks.json",
    "",
  ])("refuses %j", async (path) => {
    await expect(write(path, "x", true)).rejects.toMatchObject(refusal);
  });

  test("refuses links: to a file, to a folder outside, and to what does not exist yet", async () => {
    symlinkSync(join(folder, "README.md"), join(folder, "link.md"));
    symlinkSync(join(outside, "passwd"), join(folder, "out.md"));
    symlinkSync(outside, join(folder, "dir"));
    symlinkSync(join(outside, "future"), join(folder, "future"));
    for (const path of ["link.md", "out.md", "dir/new.md", "dir/sub/new.md", "future", "future/x"]) {
      await expect(write(path, "x", true)).rejects.toMatchObject(refusal);
    }
    expect(readFileSync(join(outside, "passwd"), "utf8")).toBe("root");
    expect(readdirSync(outside)).toEqual(["passwd"]);
    expect(lstatSync(join(folder, "link.md")).isSymbolicLink()).toBe(true);
  });

  test("refuses folders, files in the way, and what is too large", async () => {
    await expect(write("src", "x", true)).rejects.toThrow(/something else than a file/);
    await expect(write("README.md/x", "x", true)).rejects.toMatchObject(refusal);
    await expect(write("large.txt", "x".repeat(5_000_001))).rejects.toThrow(/too many/);
    expect(existsSync(join(folder, "large.txt"))).toBe(false);
  });

  test("of two at once with different texts one is told", async () => {
    const results = await Promise.allSettled([write("race.md", "one"), write("race.md", "two")]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(readdirSync(folder).filter((name) => name.includes("race"))).toEqual(["race.md"]);
  });

  test("through a working folder that is itself a link stays in what it leads to", async () => {
    symlinkSync(folder, join(base, "shortcut"));
    const place = await placeIn(join(base, "shortcut"), join(base, "shortcut", "README.md"));
    expect(place).toEqual({ path: join(folder, "README.md"), name: "README.md" });
  });
});

describe("a report", () => {
  const context = { runId: "run-1", input: { run: { goal: "g" }, summary: "It is so.", facts: { a: 1 } } };

  test("is made of its sections, whatever tasks returned", () => {
    const text = makeReport({
      title: "All *about* it",
      runId: "run-1",
      sections: [
        { heading: "Text", content: " as it **is** \n" },
        { heading: "List", content: ["one", "two\nlines"] },
        { heading: "Page", content: { url: "https://a.example/", text: "body", title: null } },
        { heading: "Data", content: { code: "```" } },
        { heading: "Nothing", content: undefined },
      ],
    });
    expect(text).toBe(
      [
        "# All \\*about\\* it",
        "## Text",
        "as it **is**",
        "## List",
        "- one\n- two\n  lines",
        "## Page",
        "body\n\nSource: <https://a.example/>",
        "## Data",
        '````json\n{\n  "code": "```"\n}\n````',
        "## Nothing",
        "```json\nnull\n```",
        "<!-- written by goalpost, run run-1 -->\n",
      ].join("\n\n"),
    );
  });

  test("without sections shows what the tasks before it returned, in goalpost-report.md", async () => {
    expect(await writeReport(folder, { title: "T" }, context)).toMatchObject({ path: "goalpost-report.md" });
    const text = readFileSync(join(folder, "goalpost-report.md"), "utf8");
    expect(text).toContain("## summary\n\nIt is so.");
    expect(text).toContain('"a": 1');
    expect(text).not.toContain("## run");
  });

  test("replaces an earlier report, and no other file", async () => {
    await writeReport(folder, { title: "One", path: "r.md" }, context);
    await writeReport(folder, { title: "Two", path: "r.md" }, context);
    expect(readFileSync(join(folder, "r.md"), "utf8")).toContain("# Two");
    await expect(writeReport(folder, { title: "T", path: "README.md" }, context)).rejects.toMatchObject(
      refusal,
    );
    await expect(writeReport(folder, { title: "T", path: "../r.md" }, context)).rejects.toMatchObject(
      refusal,
    );
  });
});
