import { createHash } from "node:crypto";
import { compare, readText } from "./report-files.ts";
import { type Language, languageOf } from "./report-languages.ts";
import { type ScannedLine, scan } from "./report-scan.ts";

/** Lines from one to another, both included, from 1. */
export interface Stretch {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** What two files, or two parts of one, have in common. */
export interface SharedCode {
  /** Lines of code in the later file that are in the earlier one too. */
  readonly lines: number;
  readonly blocks: number;
  /** The largest of the blocks: where it stands first, and where again. */
  readonly first: Stretch;
  readonly again: Stretch;
}

/** Files that have the same code. */
export interface SameFiles {
  readonly lines: number;
  readonly files: number;
  /** The first of them. */
  readonly paths: readonly string[];
}

/** Code that is there more than once. */
export interface Duplicates {
  /** Lines that were compared: code with words in it, without imports and comments. */
  readonly comparedLines: number;
  /** Those of them that stand somewhere before. */
  readonly repeatedLines: number;
  readonly pairs: readonly SharedCode[];
  readonly pairCount: number;
  readonly same: readonly SameFiles[];
  readonly sameCount: number;
  /** True if there was too much code to compare all of it. */
  readonly capped: boolean;
}

/** Lines that a block has at least. */
export const BLOCK_LINES = 8;
/** Characters that they have at least in all: eight closing tags are no block. */
const BLOCK_CHARACTERS = 160;
/** Memory grows with every line that is compared. */
const MAX_LINES = 600_000;
const MAX_PAIRS = 20;
const MAX_SAME = 10;
const MAX_PATHS = 4;

/** Compares the code of files with each other. */
export async function findDuplicates(
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Duplicates> {
  const finder = new DuplicateFinder();
  for (const path of [...paths].sort(compare)) {
    signal.throwIfAborted();
    const language = languageOf(path);
    if (language?.family !== "code") {
      continue;
    }
    const file = await readText(folder, path);
    if ("text" in file) {
      finder.add(path, language, file.text);
    }
  }
  return finder.result();
}

/** The lines of a file that count, as numbers that are equal if the lines are alike. */
interface Sequence {
  readonly path: string;
  readonly hashes: Int32Array;
  /** Characters of each line, up to 255. */
  readonly sizes: Uint8Array;
  /** The number of each line in the file. */
  readonly numbers: Int32Array;
}

interface Block {
  readonly source: Sequence;
  readonly from: number;
  readonly again: number;
  readonly lines: number;
}

/** Finds code that repeats what was added before, in the same file or an earlier one. */
export class DuplicateFinder {
  readonly #sequences: Sequence[] = [];
  /** Where each window of {@link BLOCK_LINES} lines stands first: two numbers behind each other. */
  readonly #places: number[] = [];
  readonly #windows = new Map<number, number>();
  readonly #whole = new Map<string, { readonly lines: number; readonly paths: string[]; files: number }>();
  readonly #pairs = new Map<string, SharedCode>();
  #comparedLines = 0;
  #repeatedLines = 0;
  #capped = false;

  add(path: string, language: Language, text: string): void {
    const lines = meaningfulLines(scan(text, language.syntax));
    if (this.#comparedLines + lines.length > MAX_LINES) {
      this.#capped = true;
      return;
    }
    this.#comparedLines += lines.length;
    if (lines.length < BLOCK_LINES || this.#isSame(path, lines)) {
      return;
    }
    const sequence: Sequence = {
      path,
      hashes: Int32Array.from(lines, (line) => hash(line.text)),
      sizes: Uint8Array.from(lines, (line) => Math.min(255, line.text.length)),
      numbers: Int32Array.from(lines, (line) => line.number),
    };
    this.#sequences.push(sequence);
    this.#compare(sequence, this.#sequences.length - 1);
  }

  result(): Duplicates {
    const pairs = [...this.#pairs.values()].sort(
      (a, b) => b.lines - a.lines || compare(a.again.path, b.again.path) || a.again.from - b.again.from,
    );
    const same = [...this.#whole.values()]
      .filter(({ files }) => files > 1)
      .sort((a, b) => b.lines * (b.files - 1) - a.lines * (a.files - 1) || compareFirst(a.paths, b.paths));
    return {
      comparedLines: this.#comparedLines,
      repeatedLines: this.#repeatedLines,
      pairs: pairs.slice(0, MAX_PAIRS),
      pairCount: pairs.length,
      same: same.slice(0, MAX_SAME),
      sameCount: same.length,
      capped: this.#capped,
    };
  }

  /** Copies of a whole file are told apart from blocks: one line about them says all. */
  #isSame(path: string, lines: readonly Line[]): boolean {
    const key = createHash("sha256")
      .update(lines.map((line) => line.text).join("\n"))
      .digest("base64");
    const other = this.#whole.get(key);
    if (!other) {
      this.#whole.set(key, { lines: lines.length, paths: [path], files: 1 });
      return false;
    }
    other.files++;
    if (other.paths.length < MAX_PATHS) {
      other.paths.push(path);
    }
    this.#repeatedLines += lines.length;
    return true;
  }

  #compare(sequence: Sequence, index: number): void {
    let covered = 0;
    for (let at = 0; at + BLOCK_LINES <= sequence.hashes.length; at++) {
      const window = hashWindow(sequence.hashes, at);
      const place = this.#windows.get(window);
      if (place === undefined) {
        this.#windows.set(window, this.#places.length);
        this.#places.push(index, at);
      } else if (at >= covered) {
        const block = this.#blockAt(sequence, at, place);
        if (block) {
          this.#record(sequence, block);
          covered = at + block.lines;
        }
      }
    }
  }

  /** How far the code goes on alike. Two hashes can be equal by chance, so every line is looked at. */
  #blockAt(sequence: Sequence, again: number, place: number): Block | undefined {
    const source = this.#sequences[this.#places[place] ?? -1];
    const from = this.#places[place + 1] ?? 0;
    if (!source) {
      return undefined;
    }
    const end = source === sequence ? again : source.hashes.length;
    let lines = 0;
    let characters = 0;
    while (from + lines < end && again + lines < sequence.hashes.length) {
      if (source.hashes[from + lines] !== sequence.hashes[again + lines]) {
        break;
      }
      characters += sequence.sizes[again + lines] ?? 0;
      lines++;
    }
    return lines >= BLOCK_LINES && characters >= BLOCK_CHARACTERS
      ? { source, from, again, lines }
      : undefined;
  }

  #record(sequence: Sequence, { source, from, again, lines }: Block): void {
    this.#repeatedLines += lines;
    const key = `${source.path}\n${sequence.path}`;
    const other = this.#pairs.get(key);
    const first = stretch(source, from, lines);
    const second = stretch(sequence, again, lines);
    const larger = !other || second.to - second.from > other.again.to - other.again.from;
    this.#pairs.set(key, {
      lines: (other?.lines ?? 0) + lines,
      blocks: (other?.blocks ?? 0) + 1,
      first: larger ? first : other.first,
      again: larger ? second : other.again,
    });
  }
}

function compareFirst(a: readonly string[], b: readonly string[]): number {
  return compare(a[0] ?? "", b[0] ?? "");
}

function stretch(sequence: Sequence, from: number, lines: number): Stretch {
  return {
    path: sequence.path,
    from: sequence.numbers[from] ?? 0,
    to: sequence.numbers[from + lines - 1] ?? 0,
  };
}

interface Line {
  readonly text: string;
  readonly number: number;
}

/** Code in one spelling: no comments, no indentation, no imports, no lines of brackets only. */
function meaningfulLines(lines: readonly ScannedLine[]): Line[] {
  const kept: Line[] = [];
  let inImport = false;
  for (const [index, { kind, bare }] of lines.entries()) {
    const text = bare.replaceAll(/\s+/g, " ").trim();
    if (kind !== "code") {
      continue;
    }
    if (inImport) {
      inImport = !/[})"']/.test(text);
      continue;
    }
    if (isImport(text)) {
      inImport = /[{(][^})"']*$/.test(text);
      continue;
    }
    if (!/\w/.test(text)) {
      continue;
    }
    kept.push({ text, number: index + 1 });
  }
  return kept;
}

function isImport(text: string): boolean {
  return /^(?:import\b(?!\s*\()|from [\w.]+ import\b|export\b.*\bfrom ["']|(?:const|var|let)\b.*\brequire\()/.test(
    text,
  );
}

/** FNV-1a over UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  }
  return value | 0;
}

/** Small integers take no memory of their own as keys of a map; hence 30 bits. */
function hashWindow(hashes: Int32Array, at: number): number {
  let value = 0;
  for (let line = 0; line < BLOCK_LINES; line++) {
    value = Math.imul(value, 0x01000193) + (hashes[at + line] ?? 0);
  }
  return (value ^ (value >>> 15)) & 0x3fffffff;
}
