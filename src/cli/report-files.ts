import type { Dirent } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, resolve, sep } from "node:path";
import { GoalpostError } from "../index.ts";
import { isGenerated, languageOf } from "./report-languages.ts";

/** The name of the file that a report is written to. */
export const REPORT_FILE = "goalpost-report.md";
/** Files that one report reads at most. */
export const MAX_FILES = 5000;
/** Bytes; larger files are hardly written by people. */
export const MAX_FILE_BYTES = 1_000_000;
/** Files and folders that are looked at in search of those. */
const MAX_ENTRIES = 200_000;
/** Names of what was left out that a report gives. */
const MAX_NAMES = 8;

/** Folders of tools: of their working state, and of code that others wrote. */
const ALWAYS_LEFT_OUT: ReadonlySet<string> = new Set([
  ".cache",
  ".git",
  ".goalpost",
  ".hg",
  ".idea",
  ".mypy_cache",
  ".next",
  ".nuxt",
  ".nyc_output",
  ".pytest_cache",
  ".ruff_cache",
  ".svn",
  ".tox",
  ".turbo",
  ".venv",
  "__pycache__",
  "bower_components",
  "node_modules",
  "site-packages",
  "venv",
]);

/** Folders of what was built. In an installed package, that is the code. */
const LEFT_OUT_OF_SOURCES: ReadonlySet<string> = new Set([
  "build",
  "coverage",
  "dist",
  "out",
  "target",
  "vendor",
]);

/** How often a name was seen. */
export interface Tally {
  readonly name: string;
  readonly count: number;
}

/** What a report does not look into, and why. */
export interface LeftOut {
  readonly folders: number;
  /** The most frequent names of those folders. */
  readonly folderNames: readonly Tally[];
  readonly unknownKind: number;
  /** The most frequent of those kinds: endings, or whole names of files without one. */
  readonly unknownKinds: readonly Tally[];
  readonly generated: number;
  readonly tooLarge: number;
  readonly links: number;
  readonly unreadable: number;
}

/** The files below a folder whose language is known. */
export interface Found {
  /** Relative to the folder, with `/`. Ordered. */
  readonly paths: readonly string[];
  /** True if there are more files than were listed. */
  readonly capped: boolean;
  readonly leftOut: LeftOut;
}

/**
 * Lists the files of a folder, by name only. Goes level by level, so that of too many files the outer ones are
 * kept, and never through symbolic links.
 * @throws INVALID_INPUT if the folder cannot be read
 */
export async function findFiles(folder: string, signal: AbortSignal): Promise<Found> {
  const search = new Search(folder);
  for (
    let next = search.folders.shift();
    next !== undefined && !search.capped;
    next = search.folders.shift()
  ) {
    signal.throwIfAborted();
    try {
      search.add(next, await readdir(join(folder, next), { withFileTypes: true }));
    } catch (error) {
      if (next === "") {
        throw new GoalpostError("INVALID_INPUT", `the folder ${folder} cannot be read: ${String(error)}`);
      }
      search.leftOut.unreadable++;
    }
  }
  return search.result();
}

class Search {
  readonly folders: string[] = [""];
  readonly leftOut = { folders: 0, unknownKind: 0, generated: 0, tooLarge: 0, links: 0, unreadable: 0 };
  capped = false;
  readonly #ignored: (name: string) => boolean;
  readonly #paths: string[] = [];
  readonly #folderNames = new Map<string, number>();
  readonly #unknownKinds = new Map<string, number>();
  #entries = 0;

  constructor(folder: string) {
    const installed = resolve(folder).split(sep).includes("node_modules");
    this.#ignored = (name) => ALWAYS_LEFT_OUT.has(name) || (!installed && LEFT_OUT_OF_SOURCES.has(name));
  }

  add(folder: string, entries: readonly Dirent[]): void {
    this.#entries += entries.length;
    for (const entry of [...entries].sort((a, b) => compare(a.name, b.name))) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        this.#addFolder(path, entry.name);
      } else if (entry.isSymbolicLink()) {
        this.leftOut.links++;
      } else if (!entry.isFile() || !languageOf(path)) {
        const kind = extname(entry.name) || entry.name;
        this.leftOut.unknownKind++;
        countName(this.#unknownKinds, kind);
      } else if (isGenerated(path)) {
        this.leftOut.generated++;
      } else if (entry.name !== REPORT_FILE) {
        this.#paths.push(path);
      }
    }
    this.capped = this.#paths.length > MAX_FILES || this.#entries > MAX_ENTRIES;
  }

  #addFolder(path: string, name: string): void {
    if (this.#ignored(name)) {
      this.leftOut.folders++;
      countName(this.#folderNames, name);
    } else {
      this.folders.push(path);
    }
  }

  result(): Found {
    return {
      paths: this.#paths.slice(0, MAX_FILES).sort(compare),
      capped: this.capped,
      leftOut: {
        ...this.leftOut,
        unknownKinds: tallied(this.#unknownKinds),
        folderNames: tallied(this.#folderNames),
      },
    };
  }
}

function countName(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function tallied(counts: ReadonlyMap<string, number>): Tally[] {
  return [...counts]
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || compare(a.name, b.name))
    .slice(0, MAX_NAMES);
}

/** Files in parts of like size, to be read side by side. */
export interface FileList {
  /** Paths relative to the folder, each part ordered. */
  readonly parts: readonly (readonly string[])[];
  readonly files: number;
  readonly bytes: number;
  readonly capped: boolean;
  readonly leftOut: LeftOut;
}

/** Files whose sizes are asked for at once. */
const BATCH = 64;

/** Lists the files of a folder in that many parts. */
export async function listFiles(folder: string, parts: number, signal: AbortSignal): Promise<FileList> {
  const found = await findFiles(folder, signal);
  const sized: { path: string; bytes: number }[] = [];
  let tooLarge = 0;
  let { unreadable } = found.leftOut;
  for (let from = 0; from < found.paths.length; from += BATCH) {
    signal.throwIfAborted();
    const batch = found.paths.slice(from, from + BATCH);
    const sizes = await Promise.all(batch.map((path) => sizeOf(join(folder, path))));
    for (const [index, path] of batch.entries()) {
      const bytes = sizes[index];
      if (bytes === undefined) {
        unreadable++;
      } else if (bytes > MAX_FILE_BYTES) {
        tooLarge++;
      } else {
        sized.push({ path, bytes });
      }
    }
  }
  return {
    parts: split(sized, parts),
    files: sized.length,
    bytes: sized.reduce((sum, file) => sum + file.bytes, 0),
    capped: found.capped,
    leftOut: { ...found.leftOut, tooLarge, unreadable },
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}

/** The largest first, each into the part that is the smallest so far. */
function split(files: readonly { path: string; bytes: number }[], parts: number): string[][] {
  const bins = Array.from({ length: Math.max(1, parts) }, () => ({ bytes: 0, paths: [] as string[] }));
  for (const { path, bytes } of [...files].sort((a, b) => b.bytes - a.bytes || compare(a.path, b.path))) {
    const smallest = bins.reduce((least, bin) => (bin.bytes < least.bytes ? bin : least));
    // Opening a file costs about as much as reading a few kilobytes of it.
    smallest.bytes += bytes + 4096;
    smallest.paths.push(path);
  }
  return bins.map(({ paths }) => paths.sort(compare));
}

/** What a file holds, or why it is no text to report on. */
export type FileText =
  | { readonly text: string; readonly bytes: number }
  | { readonly problem: "binary" | "minified" | "unreadable" };

/** Characters of a line on average; people do not write such lines. */
const MINIFIED_LINE = 500;

/** Reads a text file. One that cannot be read any more is not an error: folders change. */
export async function readText(folder: string, path: string): Promise<FileText> {
  let bytes: Buffer;
  try {
    bytes = await readFile(join(folder, path));
  } catch {
    return { problem: "unreadable" };
  }
  if (bytes.includes(0)) {
    return { problem: "binary" };
  }
  const text = bytes.toString("utf8").replace(/^\uFEFF/, "");
  const code = languageOf(path)?.family === "code";
  const lines = code ? (text.match(/\n/g)?.length ?? 0) + 1 : 0;
  return code && text.length > MINIFIED_LINE * lines
    ? { problem: "minified" }
    : { text, bytes: bytes.length };
}

/** Orders by code units: the same on every machine. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
