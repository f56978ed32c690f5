import { type Block, findBlocks, type TextFormat } from "./find-blocks.ts";
import { splitAt } from "./split-at.ts";

/** How a text is cut. */
export interface ChunkRules {
  /** Characters (UTF-16 code units) of a chunk at most, those that it shares with the one before included. */
  readonly maxChars: number;
  /** Characters that a chunk repeats of the one before, at most: what is cut in two is whole in one of them. */
  readonly overlapChars: number;
  readonly format: TextFormat;
}

/** A part of a text. */
export interface Chunk {
  readonly text: string;
  /** Where it begins and ends: `text` is `whole.slice(start, end)`. */
  readonly start: number;
  readonly end: number;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** A section is not put to the one before once that has this share of a chunk. */
const SECTION_SHARE = 1 / 4;

/**
 * Cuts a text by its structure: at headings, else between paragraphs or blocks of code, else between lines, sentences,
 * words, and never within a character. All but white space at the ends of chunks is in one of them, in order.
 */
export function chunkText(text: string, { maxChars, overlapChars, format }: ChunkRules): Chunk[] {
  const room = maxChars - overlapChars;
  const spans = pack(
    findBlocks(text, format).flatMap((block) => splitBlock(text, block, room)),
    room,
  );
  const chunks: Chunk[] = [];
  let covered = 0;
  for (const span of spans) {
    const begin = span.breaks ? span.start : overlapped(text, span.start, overlapChars);
    const chunk = trimmed(text, { start: begin, end: span.end });
    // What remains of a chunk of white space is what it repeats.
    if (chunk.end > covered) {
      chunks.push({ ...chunk, text: text.slice(chunk.start, chunk.end) });
      covered = chunk.end;
    }
  }
  return chunks;
}

/** Puts neighbours together as long as they fit. */
function pack(blocks: readonly Block[], room: number): Block[] {
  const packed: Block[] = [];
  for (const block of blocks) {
    const last = packed.at(-1);
    const length = last ? last.end - last.start : 0;
    const section = block.breaks && length >= room * SECTION_SHARE;
    if (last && !section && block.end - last.start <= room) {
      packed[packed.length - 1] = { ...last, end: block.end };
    } else {
      packed.push(block);
    }
  }
  return packed;
}

function splitBlock(text: string, block: Block, room: number): Block[] {
  const parts: Block[] = [];
  let { start } = block;
  while (block.end - start > room) {
    const end = splitAt(text, start, start + room);
    parts.push({ start, end, breaks: block.breaks && start === block.start });
    start = end;
  }
  parts.push({ start, end: block.end, breaks: block.breaks && start === block.start });
  return parts;
}

/** Where a chunk begins that repeats the end of the one before: at the beginning of a word. */
function overlapped(text: string, start: number, overlapChars: number): number {
  const from = Math.max(0, start - overlapChars);
  const word = from === 0 ? 0 : text.slice(from, start).search(/(?<=\s)\S/);
  return word < 0 ? start : from + word;
}

function trimmed(text: string, { start, end }: Span): Span {
  const part = text.slice(start, end);
  const lead = part.length - part.trimStart().length;
  return { start: start + lead, end: Math.max(start + lead, start + part.trimEnd().length) };
}
