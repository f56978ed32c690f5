import { GoalpostError } from "../core/errors.ts";
import { isObject, isStorableText, type Json, toJson } from "../core/json.ts";
import { checkName } from "../core/names.ts";
import { check } from "../core/policy.ts";
import type { ChunkOptions } from "./chunk.ts";

/** A text to be found again. */
export interface DocumentInput {
  /** Unique in its collection; at most 1,024 characters. */
  readonly id: string;
  readonly text: string;
  /** A JSON object; searches filter by it. Default: {}. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** How documents are put into a collection. */
export interface PutOptions {
  /** How they are cut; false keeps each whole. Default: pieces of at most 1,200 characters. */
  readonly chunk?: ChunkOptions | false | undefined;
  /**
   * The model that embeds, as in `gp.embed`. Default: the collection's, and for a new one the client's. Another than the
   * collection's embeds all of it again.
   */
  readonly model?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a search is limited to. */
export interface SearchOptions {
  /** Chunks at most, 1 to 1,000. Default 10. */
  readonly limit?: number | undefined;
  /** Only documents whose metadata contain this JSON object. */
  readonly filter?: Readonly<Record<string, unknown>> | undefined;
  /** Only chunks whose cosine similarity is at least this, -1 to 1. */
  readonly minScore?: number | undefined;
  /** "vector": by meaning. "hybrid": by meaning and by words, their ranks fused. Default "vector". */
  readonly mode?: "vector" | "hybrid" | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A document as it is stored. */
export interface ReadDocument {
  readonly id: string;
  readonly text: string;
  readonly metadata: string;
}

export const MAX_QUERY_LENGTH = 10_000;
const MAX_ID_LENGTH = 1024;
const MAX_LIMIT = 1000;

function refuse(message: string): never {
  throw new GoalpostError("INVALID_INPUT", message);
}

export function checkCollection(name: unknown): asserts name is string {
  checkName(name, "collection");
}

/** @throws INVALID_INPUT for what is no document, or an id that is there twice */
export function readDocuments(docs: unknown): ReadDocument[] {
  if (!Array.isArray(docs)) {
    refuse(`documents are ${describe(docs)}; give an array of { id, text, metadata? }`);
  }
  const seen = new Set<string>();
  return docs.map((doc: unknown, index) => {
    const at = `documents[${index}]`;
    if (!isObject(doc)) {
      refuse(`${at} is ${describe(doc)}; give { id, text, metadata? }`);
    }
    const id = checkId(doc.id, `${at}.id`);
    if (seen.has(id)) {
      refuse(`${at}.id ${JSON.stringify(id)} is there twice; give each document once`);
    }
    seen.add(id);
    if (!isStorableText(doc.text) || doc.text.trim() === "") {
      refuse(
        `${at}.text is ${describe(doc.text)}; it must be a well-formed text that is not empty, without \\u0000`,
      );
    }
    return { id, text: doc.text, metadata: readFilter(doc.metadata ?? {}, `${at}.metadata`) };
  });
}

export function checkId(id: unknown, what: string): string {
  if (!isStorableText(id) || id === "" || id.length > MAX_ID_LENGTH) {
    refuse(`${what} is ${describe(id)}; it must be a well-formed text of 1 to ${MAX_ID_LENGTH} characters`);
  }
  return id;
}

/** The JSON text of metadata or a filter. */
export function readFilter(value: unknown, what: string): string {
  if (!isObject(value)) {
    refuse(`${what} is ${describe(value)}; it must be a JSON object`);
  }
  let text: string;
  try {
    text = toJson(value as Json, what);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  if (/\\u0000|\\ud[89a-f]/i.test(text)) {
    refuse(`${what} has \\u0000 or half of a surrogate pair, which a database cannot compare`);
  }
  return text;
}

/** @throws INVALID_INPUT for anything but a text of 1 to 10,000 characters */
export function checkQuery(query: unknown): asserts query is string {
  if (!isStorableText(query) || query.trim() === "" || query.length > MAX_QUERY_LENGTH) {
    refuse(`the query is ${describe(query)}; it must be a text of 1 to ${MAX_QUERY_LENGTH} characters`);
  }
}

/** @throws INVALID_INPUT for options out of range */
export function checkSearch(options: SearchOptions): void {
  check(options.limit, { what: "limit", least: 1, most: MAX_LIMIT, whole: true });
  check(options.minScore, { what: "minScore", least: -1, most: 1 });
  if (options.mode !== undefined && options.mode !== "vector" && options.mode !== "hybrid") {
    refuse(`mode is ${JSON.stringify(options.mode)}; it must be "vector" or "hybrid"`);
  }
}

function describe(value: unknown): string {
  if (typeof value === "string") {
    return value.trim() === "" ? "an empty text" : `a text of ${value.length} characters`;
  }
  return value === null ? "null" : `a ${typeof value}`;
}
