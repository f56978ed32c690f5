import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findFiles, listFiles, MAX_FILE_BYTES, MAX_FILES, readText } from "../../src/cli/report-files.ts";

const signal = new AbortController().signal;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "goalpost-files-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

describe("finding files", () => {
  test("those of known languages are listed in order", async () => {
    await write({ "b.ts": "", "a/z.py": "", "a.md": "", "a/b/c.js": "", "x.png": "", LICENSE: "" });
    const { paths, capped, leftOut } = await findFiles(folder, signal);
    expect(paths).toEqual(["a.md", "a/b/c.js", "a/z.py", "b.ts"]);
    expect(capped).toBe(false);
    expect(leftOut).toMatchObject({
      unknownKind: 2,
      unknownKinds: [
        { name: ".png", count: 1 },
        { name: "LICENSE", count: 1 },
      ],
    });
  });

  test("folders of tools and builds, lock files and earlier reports are left out", async () => {
    await write({
      "node_modules/a/index.js": "",
      "sub/node_modules/b/index.js": "",
      "dist/a.js": "",
      ".git/hooks/a.sh": "",
      "coverage/a.js": "",
      "package-lock.json": "",
      "goalpost-report.md": "",
      "src/build.ts": "",
    });
    const { paths, leftOut } = await findFiles(folder, signal);
    expect(paths).toEqual(["src/build.ts"]);
    expect(leftOut).toMatchObject({ folders: 5, generated: 1 });
    expect(leftOut.folderNames[0]).toEqual({ name: "node_modules", count: 2 });
  });

  test("in an installed package, what was built is the code", async () => {
    await write({ "node_modules/p/dist/a.js": "", "node_modules/p/node_modules/q/b.js": "" });
    const { paths } = await findFiles(join(folder, "node_modules", "p"), signal);
    expect(paths).toEqual(["dist/a.js"]);
  });

  test("symbolic links are counted, not followed", async () => {
    await write({ "a/b.ts": "" });
    await symlink("..", join(folder, "a", "loop"));
    await symlink("b.ts", join(folder, "a", "c.ts"));
    await symlink("nowhere", join(folder, "d.ts"));
    const { paths, leftOut } = await findFiles(folder, signal);
    expect(paths).toEqual(["a/b.ts"]);
    expect(leftOut.links).toBe(3);
  });

  test("of too many files the outer ones are kept", async () => {
    await mkdir(join(folder, "a"));
    const names = Array.from({ length: MAX_FILES }, (_, index) => `${index}.ts`);
    await Promise.all(names.map((name) => writeFile(join(folder, "a", name), "")));
    await write({ "z.ts": "" });
    const { paths, capped } = await findFiles(folder, signal);
    expect(capped).toBe(true);
    expect(paths).toHaveLength(MAX_FILES);
    expect(paths).toContain("z.ts");
  });

  test("a folder that is gone is an error, and so is an aborted signal", async () => {
    await expect(findFiles(join(folder, "gone"), signal)).rejects.toMatchObject({ code: "INVALID_INPUT" });
    const reason = new Error("enough");
    await expect(findFiles(folder, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe("listing files in parts", () => {
  test("every file is in one part, and the parts are of like size", async () => {
    await write({
      "large.ts": "x".repeat(90_000),
      "b.ts": "x".repeat(30_000),
      "c.ts": "x".repeat(30_000),
      "d.ts": "x".repeat(30_000),
    });
    const { parts, files, bytes } = await listFiles(folder, 2, signal);
    expect(parts).toEqual([["large.ts"], ["b.ts", "c.ts", "d.ts"]]);
    expect(files).toBe(4);
    expect(bytes).toBe(180_000);
  });

  test("there are as many parts as planned, even if there are fewer files", async () => {
    await write({ "a.ts": "" });
    expect((await listFiles(folder, 3, signal)).parts).toEqual([["a.ts"], [], []]);
  });

  test("files that are too large are counted only", async () => {
    await write({ "a.ts": "x".repeat(MAX_FILE_BYTES + 1), "b.ts": "x".repeat(MAX_FILE_BYTES) });
    const { parts, leftOut } = await listFiles(folder, 1, signal);
    expect(parts).toEqual([["b.ts"]]);
    expect(leftOut.tooLarge).toBe(1);
  });
});

describe("reading a file", () => {
  test("gives its text without a byte order mark", async () => {
    await write({ "a.ts": "\uFEFFconst a = 1;" });
    expect(await readText(folder, "a.ts")).toEqual({ text: "const a = 1;", bytes: 15 });
  });

  test("says why there is no text", async () => {
    await write({ "a.ts": "a\0b", "b.js": `${"var a;".repeat(200)}\n`, "c.json": `[${"1,".repeat(999)}1]` });
    expect(await readText(folder, "a.ts")).toEqual({ problem: "binary" });
    expect(await readText(folder, "b.js")).toEqual({ problem: "minified" });
    expect(await readText(folder, "c.json")).toHaveProperty("text");
    expect(await readText(folder, "gone.ts")).toEqual({ problem: "unreadable" });
  });
});
