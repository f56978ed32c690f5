import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { readHistory } from "../../src/cli/report-history.ts";

const signal = new AbortController().signal;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "goalpost-history-"));
  // As in a git hook: it must not lead to another repository than the folder's.
  vi.stubEnv("GIT_DIR", join(folder, "somewhere-else"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function git(...args: string[]): void {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_")));
  execFileSync("git", ["-C", folder, ...args], {
    stdio: "ignore",
    env: { ...env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
  });
}

function commit(author: string, day: string, files: Readonly<Record<string, string | null>>): void {
  for (const [path, text] of Object.entries(files)) {
    if (text === null) {
      rmSync(join(folder, path));
    } else {
      writeFileSync(join(folder, path), text);
    }
  }
  git("add", "--all");
  const who = ["-c", `user.name=${author}`, "-c", `user.email=${author}@example.com`];
  git(...who, "-c", "commit.gpgsign=false", "commit", "-m", `on ${day}`, `--date=${day}T12:00:00+00:00`);
}

test("commits, authors and the files that changed most are counted", async () => {
  git("init", "-q");
  commit("Ann", "2024-01-01", { "a.ts": "1", "gone.ts": "1", "tür.ts": "1" });
  commit("Bob", "2024-02-01", { "a.ts": "2", "gone.ts": "2" });
  commit("Ann", "2024-03-01", { "a.ts": "3", "gone.ts": null });
  expect(await readHistory(folder, signal)).toMatchObject({
    found: true,
    commits: 3,
    capped: false,
    authors: [
      { name: "Ann", commits: 2 },
      { name: "Bob", commits: 1 },
    ],
    authorCount: 2,
    files: [
      { path: "a.ts", commits: 3 },
      { path: "tür.ts", commits: 1 },
    ],
    oldest: { author: "Ann", subject: "on 2024-01-01", at: expect.stringMatching(/^2024-01-01T/) },
    newest: { author: "Ann", subject: "on 2024-03-01", at: expect.stringMatching(/^2024-03-01T/) },
  });
});

test("only what touched the folder counts, by paths from there", async () => {
  git("init", "-q");
  await mkdir(join(folder, "sub"));
  commit("Ann", "2024-01-01", { "a.ts": "1" });
  commit("Bob", "2024-02-01", { "sub/b.ts": "1", "a.ts": "2" });
  expect(await readHistory(join(folder, "sub"), signal)).toMatchObject({
    commits: 1,
    authors: [{ name: "Bob", commits: 1 }],
    files: [{ path: "b.ts", commits: 1 }],
  });
});

test("a folder without commits has no history, and a reason", async () => {
  git("init", "-q");
  expect(await readHistory(folder, signal)).toEqual({ found: false, reason: "nothing was committed yet" });
  commit("Ann", "2024-01-01", { "a.ts": "1" });
  await mkdir(join(folder, "new"));
  expect(await readHistory(join(folder, "new"), signal)).toEqual({
    found: false,
    reason: "nothing in this folder was ever committed to git",
  });
});

test("a folder outside every repository has no history, and a reason", async () => {
  expect(await readHistory("/", signal)).toEqual({
    found: false,
    reason: "this folder is in no git repository",
  });
});

test("without git there is no history, and a reason", async () => {
  vi.stubEnv("PATH", folder);
  expect(await readHistory(folder, signal)).toEqual({ found: false, reason: "git is not installed" });
});

test("an aborted signal is not mistaken for a missing history", async () => {
  const reason = new Error("enough");
  await expect(readHistory(folder, AbortSignal.abort(reason))).rejects.toBe(reason);
});
