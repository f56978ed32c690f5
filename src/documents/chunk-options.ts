import { GoalpostError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import { check, checkOneOf } from "../core/policy.ts";
import type { ChunkRules } from "./chunk-text.ts";
import type { TextFormat } from "./find-blocks.ts";

/** How documents are cut into chunks. */
export interface ChunkOptions {
  /** Characters of a chunk at most, 50 to 10,000. Default 1,200. */
  readonly maxChars?: number | undefined;
  /** Characters that a chunk may repeat of the one before; less than half of `maxChars`. Default a tenth of it. */
  readonly overlapChars?: number | undefined;
  /**
   * Markdown is cut at headings, paragraphs and around fenced code, code at blank lines, text at paragraphs. Default: by
   * the ending of the document's id, such as `.md` or `.ts`, else "text".
   */
  readonly format?: TextFormat | undefined;
}

/** Characters of one text that is embedded. */
export const MAX_CHUNK_CHARS = 10_000;
const MIN_CHUNK_CHARS = 50;
const DEFAULT_MAX_CHARS = 1200;
const OVERLAP_SHARE = 10;

const MARKDOWN = /\.(?:md|mdx|markdown)$/i;
const CODE =
  /\.(?:[cm]?[jt]sx?|py|rb|go|rs|java|kt|scala|swift|c|h|cc|cpp|hpp|cs|php|sh|bash|sql|lua|pl|r|ex|exs|erl|hs|clj|vue|svelte|css|scss|zig|proto|graphql|ya?ml|toml)$/i;

/** @throws INVALID_INPUT */
export function checkChunkOptions(chunk: ChunkOptions | undefined): void {
  if (chunk === undefined) {
    return;
  }
  if (!isObject(chunk)) {
    throw new GoalpostError("INVALID_INPUT", "chunk must be an object { maxChars, overlapChars, format }");
  }
  const { maxChars = DEFAULT_MAX_CHARS, overlapChars, format } = chunk as ChunkOptions;
  check(maxChars, { what: "chunk.maxChars", least: MIN_CHUNK_CHARS, most: MAX_CHUNK_CHARS, whole: true });
  const most = Math.ceil(maxChars / 2) - 1;
  check(overlapChars, { what: "chunk.overlapChars", least: 0, most, whole: true });
  checkOneOf(format, { what: "chunk.format", allowed: ["markdown", "code", "text"] });
}

/** The rules by which a document is cut. */
export function chunkRules(id: string, chunk: ChunkOptions = {}): ChunkRules {
  const { maxChars = DEFAULT_MAX_CHARS, format } = chunk;
  return {
    maxChars,
    overlapChars: chunk.overlapChars ?? Math.floor(maxChars / OVERLAP_SHARE),
    format: format ?? (MARKDOWN.test(id) ? "markdown" : CODE.test(id) ? "code" : "text"),
  };
}
