import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { shorten } from "./format.ts";
import { compare } from "./report-files.ts";

/** A commit, as far as a report tells of it. */
export interface Commit {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly author: string;
  readonly subject: string;
}

/** What git knows of a folder, or why there is nothing to know. */
export type History =
  | { readonly found: false; readonly reason: string }
  | {
      readonly found: true;
      readonly commits: number;
      /** True if there are older commits, which were not counted. */
      readonly capped: boolean;
      readonly authors: readonly { readonly name: string; readonly commits: number }[];
      readonly authorCount: number;
      /** Files that are still there, by the commits that changed them. */
      readonly files: readonly { readonly path: string; readonly commits: number }[];
      readonly oldest: Commit;
      readonly newest: Commit;
    };

const MAX_COMMITS = 5000;
const GIT_TIMEOUT_MS = 30_000;
const MAX_BYTES = 64 * 1024 * 1024;
const TOP_AUTHORS = 10;
const TOP_FILES = 10;
/** Files that were changed most can be gone: so many are tried. */
const CANDIDATES = 100;

/** Separates commits, and the fields of one, in what git is asked to print: no name or subject holds these. */
const RECORD = "\u001e";
const FIELD = "\u001f";
const FORMAT = "%x1e%h%x1f%aI%x1f%aN%x1f%s";

/** Whatever the user's own settings are. */
const SETTINGS = ["core.quotePath=false", "core.fsmonitor=false", "log.showSignature=false"];
const LOG_OPTIONS = [
  `--max-count=${MAX_COMMITS}`,
  `--format=${FORMAT}`,
  "--name-only",
  "--no-renames",
  "--no-follow",
  "--relative",
];

/** Asks git for the history of a folder. That there is none is an answer, not an error. */
export async function readHistory(folder: string, signal: AbortSignal): Promise<History> {
  let log: string;
  try {
    log = await git(folder, signal);
  } catch (error) {
    signal.throwIfAborted();
    return { found: false, reason: reasonOf(error) };
  }
  const commits = log.split(RECORD).slice(1).map(parseCommit);
  const newest = commits[0]?.commit;
  const oldest = commits.at(-1)?.commit;
  if (!newest || !oldest) {
    return { found: false, reason: "nothing in this folder was ever committed to git" };
  }
  const authors = tally(commits.map(({ commit }) => commit.author));
  const files = tally(commits.flatMap(({ files: changed }) => changed));
  return {
    found: true,
    commits: commits.length,
    capped: commits.length >= MAX_COMMITS,
    authors: authors.slice(0, TOP_AUTHORS).map(([name, count]) => ({ name, commits: count })),
    authorCount: authors.length,
    files: await existing(folder, files.slice(0, CANDIDATES)),
    oldest,
    newest,
  };
}

async function git(folder: string, signal: AbortSignal): Promise<string> {
  // In a git hook these variables name another repository than the folder's.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_")));
  const settings = SETTINGS.flatMap((setting) => ["-c", setting]);
  const args = ["-C", folder, ...settings, "log", ...LOG_OPTIONS, "--", "."];
  const { stdout } = await promisify(execFile)("git", args, {
    env: { ...env, LC_ALL: "C" },
    timeout: GIT_TIMEOUT_MS,
    maxBuffer: MAX_BYTES,
    signal,
  });
  return stdout;
}

function reasonOf(error: unknown): string {
  const { code, killed, stderr, message } = error as Error & {
    readonly code?: unknown;
    readonly killed?: boolean;
    readonly stderr?: string;
  };
  if (code === "ENOENT") {
    return "git is not installed";
  }
  if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") {
    return "the history is too long to be read";
  }
  if (killed) {
    return `git took longer than ${GIT_TIMEOUT_MS} ms`;
  }
  const said = stderr?.trim() || message;
  if (/not a git repository/i.test(said)) {
    return "this folder is in no git repository";
  }
  return /does not have any commits yet/i.test(said) ? "nothing was committed yet" : shorten(said, 200);
}

function parseCommit(record: string): { readonly commit: Commit; readonly files: readonly string[] } {
  const [head = "", ...files] = record.split("\n").filter((line) => line !== "");
  const [id = "", at = "", author = "", subject = ""] = head.split(FIELD);
  return { commit: { id, at, author, subject: shorten(subject, 120) }, files };
}

function tally(names: readonly string[]): [name: string, count: number][] {
  const counts = new Map<string, number>();
  for (const name of names) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || compare(a[0], b[0]));
}

async function existing(
  folder: string,
  files: readonly (readonly [string, number])[],
): Promise<{ path: string; commits: number }[]> {
  const there = await Promise.all(
    files.map(([path]) =>
      access(join(folder, path)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return files
    .filter((_, index) => there[index])
    .slice(0, TOP_FILES)
    .map(([path, commits]) => ({ path, commits }));
}
