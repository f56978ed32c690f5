import { compare, readText } from "./report-files.ts";
import { findFunctions } from "./report-functions.ts";
import { findImports } from "./report-imports.ts";
import { type Language, languageOf } from "./report-languages.ts";
import { findNotes } from "./report-notes.ts";
import { scan } from "./report-scan.ts";

/** Lines and files of some kind. */
export interface Total {
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
  readonly lines: number;
  readonly code: number;
  readonly comments: number;
}

/** A number that was measured, and where. */
export interface Spot {
  readonly path: string;
  /** From 1. */
  readonly line: number;
  readonly size: number;
  /** What stands there: a function's name, a note's kind. */
  readonly name: string;
}

export interface NoteSpot extends Spot {
  readonly text: string;
}

/** How many files import a thing. */
export interface ImportCount {
  readonly name: string;
  readonly files: number;
}

/** Sums and extremes of some of the files: parts of a whole can be put together. */
export interface Measures {
  readonly languages: readonly (Total & { readonly family: Language["family"] })[];
  readonly folders: readonly Total[];
  readonly largest: readonly Spot[];
  readonly functions: { readonly count: number; readonly long: number; readonly longest: readonly Spot[] };
  readonly longLines: { readonly files: number; readonly longest: readonly Spot[] };
  readonly notes: { readonly count: number; readonly first: readonly NoteSpot[] };
  readonly imports: { readonly own: readonly ImportCount[]; readonly packages: readonly ImportCount[] };
  readonly leftOut: { readonly binary: number; readonly minified: number; readonly unreadable: number };
}

/** Rows of a ranking that are kept. */
export const TOP = 15;
/** Notes that are kept; all are counted. */
export const MAX_NOTES = 200;
/** Lines; longer functions are counted as long. */
export const LONG_FUNCTION = 60;
/** Characters; longer lines are counted as long. */
export const LONG_LINE = 120;
/** Of own files and of packages each. */
const MAX_IMPORTS = 2000;

/** Reads files and measures them. */
export async function measureFiles(
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Measures> {
  const measures: Measures[] = [];
  for (const path of paths) {
    signal.throwIfAborted();
    const language = languageOf(path);
    const file = await readText(folder, path);
    if ("problem" in file) {
      const none = { binary: 0, minified: 0, unreadable: 0 };
      measures.push({ ...NOTHING, leftOut: { ...none, [file.problem]: 1 } });
    } else if (language) {
      measures.push(measureText(path, language, file));
    }
  }
  return combine(measures);
}

/** Measures one file. */
export function measureText(
  path: string,
  language: Language,
  { text, bytes }: { readonly text: string; readonly bytes: number },
): Measures {
  const lines = scan(text, language.syntax);
  const code = lines.filter((line) => line.kind === "code").length;
  const comments = lines.filter((line) => line.kind === "comment").length;
  const total: Total = { name: language.name, files: 1, bytes, lines: lines.length, code, comments };
  const notes = findNotes(lines).map(
    ({ kind, line, text: note }): NoteSpot => ({ path, line, size: 0, name: kind, text: note }),
  );
  const base: Measures = {
    ...NOTHING,
    languages: [{ ...total, family: language.family }],
    notes: { count: notes.length, first: notes.slice(0, MAX_NOTES) },
  };
  if (language.family === "text") {
    return base;
  }
  const { dialect, declarations } = language;
  const functions = (dialect && !declarations ? findFunctions(lines, dialect) : []).map(
    ({ name, line, lines: size }): Spot => ({ path, line, size, name }),
  );
  const longLines = lines
    .map(({ text: line }, index): Spot => ({ path, line: index + 1, size: line.length, name: "" }))
    .filter(({ size }) => size > LONG_LINE);
  const imports = dialect ? findImports(path, lines, dialect) : { own: [], packages: [] };
  return {
    ...base,
    folders: [{ ...total, name: folderOf(path) }],
    largest: [{ path, line: 1, size: lines.length, name: language.name }],
    functions: {
      count: functions.length,
      long: functions.filter(({ size }) => size > LONG_FUNCTION).length,
      longest: top(functions),
    },
    longLines: { files: longLines.length > 0 ? 1 : 0, longest: top(longLines).slice(0, 1) },
    imports: {
      own: imports.own.map((name) => ({ name, files: 1 })),
      packages: imports.packages.map((name) => ({ name, files: 1 })),
    },
  };
}

const NOTHING: Measures = {
  languages: [],
  folders: [],
  largest: [],
  functions: { count: 0, long: 0, longest: [] },
  longLines: { files: 0, longest: [] },
  notes: { count: 0, first: [] },
  imports: { own: [], packages: [] },
  leftOut: { binary: 0, minified: 0, unreadable: 0 },
};

function folderOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? "." : path.slice(0, slash);
}

/** Puts the measures of parts together: the order of the parts does not matter. */
export function combine(parts: readonly Measures[]): Measures {
  const sum = (pick: (part: Measures) => number): number => parts.reduce((all, part) => all + pick(part), 0);
  const notes = parts.flatMap((part) => part.notes.first);
  return {
    languages: sumTotals(parts.flatMap((part) => part.languages)),
    folders: sumTotals(parts.flatMap((part) => part.folders)),
    largest: top(parts.flatMap((part) => part.largest)),
    functions: {
      count: sum((part) => part.functions.count),
      long: sum((part) => part.functions.long),
      longest: top(parts.flatMap((part) => part.functions.longest)),
    },
    longLines: {
      files: sum((part) => part.longLines.files),
      longest: top(parts.flatMap((part) => part.longLines.longest)),
    },
    notes: {
      count: sum((part) => part.notes.count),
      first: notes.sort(byPlace).slice(0, MAX_NOTES),
    },
    imports: {
      own: sumCounts(parts.flatMap((part) => part.imports.own)),
      packages: sumCounts(parts.flatMap((part) => part.imports.packages)),
    },
    leftOut: {
      binary: sum((part) => part.leftOut.binary),
      minified: sum((part) => part.leftOut.minified),
      unreadable: sum((part) => part.leftOut.unreadable),
    },
  };
}

function sumTotals<T extends Total>(totals: readonly T[]): T[] {
  const byName = new Map<string, T>();
  for (const total of totals) {
    const other = byName.get(total.name);
    byName.set(total.name, other ? { ...other, ...addTotals(other, total) } : total);
  }
  return [...byName.values()].sort((a, b) => b.code - a.code || compare(a.name, b.name));
}

/** Adds two totals under the name of the first. */
export function addTotals(a: Total, b: Total): Total {
  return {
    name: a.name,
    files: a.files + b.files,
    bytes: a.bytes + b.bytes,
    lines: a.lines + b.lines,
    code: a.code + b.code,
    comments: a.comments + b.comments,
  };
}

function sumCounts(counts: readonly ImportCount[]): ImportCount[] {
  const files = new Map<string, number>();
  for (const count of counts) {
    files.set(count.name, (files.get(count.name) ?? 0) + count.files);
  }
  return [...files]
    .map(([name, count]) => ({ name, files: count }))
    .sort((a, b) => b.files - a.files || compare(a.name, b.name))
    .slice(0, MAX_IMPORTS);
}

function top(spots: readonly Spot[]): Spot[] {
  return [...spots].sort((a, b) => b.size - a.size || byPlace(a, b)).slice(0, TOP);
}

function byPlace(a: Spot, b: Spot): number {
  return compare(a.path, b.path) || a.line - b.line;
}
