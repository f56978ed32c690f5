import { GoalpostError } from "../core/errors.ts";
import { check } from "../core/policy.ts";

/** How a text is cut. */
export interface ChunkOptions {
  /** Characters of a piece at most, 50 to 100,000. Default 1,200. */
  readonly maxLength?: number | undefined;
  /** Characters of the piece before that a piece repeats at most, less than half of `maxLength`. Default 0. */
  readonly overlap?: number | undefined;
}

/** A piece of a text. */
export interface Chunk {
  /** `text.slice(start, end)` of the whole. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const DEFAULT_MAX_LENGTH = 1200;

/** Where a text may be cut, the best places first; each matches what stays with the piece before the cut. */
const BOUNDARIES: readonly RegExp[] = [
  // Before a Markdown heading, and before what begins at the left margin behind a blank line: a block of code.
  /\n(?=#{1,6} )|\n\s*\n(?=\S)/g,
  /\n\s*\n/g,
  /\n/g,
  /[.!?…。！？]["')\]]*\s+/g,
  /\s+/g,
];

/** @throws INVALID_INPUT for numbers out of range */
export function readChunkOptions(options: ChunkOptions = {}): Required<Record<keyof ChunkOptions, number>> {
  check(options.maxLength, { what: "chunk.maxLength", least: 50, most: 100_000, whole: true });
  check(options.overlap, { what: "chunk.overlap", least: 0, whole: true });
  const { maxLength = DEFAULT_MAX_LENGTH, overlap = 0 } = options;
  if (overlap * 2 >= maxLength) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `chunk.overlap is ${overlap}; it must be less than half of chunk.maxLength (${maxLength})`,
    );
  }
  return { maxLength, overlap };
}

/**
 * Cuts a text by its structure: before headings, between blocks and paragraphs, lines, sentences, words, wherever the
 * longest piece that fits ends best; in the middle of a word only if nothing else is there, and never within a
 * surrogate pair. Together the pieces cover all of the text but white space around them; none is empty.
 * @throws INVALID_INPUT
 */
export function chunkText(text: string, options?: ChunkOptions): Chunk[] {
  const { maxLength, overlap } = readChunkOptions(options);
  const chunks: Chunk[] = [];
  let start = skipSpace(text, 0);
  while (start < text.length) {
    const end =
      start + maxLength >= text.length ? text.length : start + lengthOfPiece(text, start, maxLength);
    const trimmed = start + text.slice(start, end).trimEnd().length;
    chunks.push({ text: text.slice(start, trimmed), start, end: trimmed });
    const next = skipSpace(text, end);
    if (next >= text.length) {
      break;
    }
    start = overlap === 0 ? next : Math.max(overlapFrom(text, end, overlap), start + 1);
  }
  return chunks;
}

/** How much of the text from `start` is the next piece, in characters. */
function lengthOfPiece(text: string, start: number, maxLength: number): number {
  const window = text.slice(start, start + maxLength);
  for (const boundary of BOUNDARIES) {
    const end = lastEnd(window, boundary);
    // A cut near the beginning would leave crumbs: a worse place further on is better.
    if (end >= maxLength / 3) {
      return end;
    }
  }
  return isLowSurrogate(text, start + maxLength) ? maxLength - 1 : maxLength;
}

function lastEnd(window: string, boundary: RegExp): number {
  let end = 0;
  for (const match of window.matchAll(boundary)) {
    end = match.index + match[0].length;
  }
  return end;
}

/** Where the next piece begins to repeat: at a word, at most so many characters before. */
function overlapFrom(text: string, end: number, overlap: number): number {
  const from = end - overlap;
  const space = /\s+/.exec(text.slice(from, end));
  const start = space ? from + space.index + space[0].length : from;
  return skipSpace(text, isLowSurrogate(text, start) ? start + 1 : start);
}

function skipSpace(text: string, from: number): number {
  const space = /\S/g;
  space.lastIndex = from;
  return space.exec(text)?.index ?? text.length;
}

function isLowSurrogate(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff;
}
