import { GoalpostError } from "../core/errors.ts";
import { isObject, isStorableText, type Json, toJson } from "../core/json.ts";

/** Facts about a document that searches can filter by. */
export type Metadata = { readonly [key: string]: Json };

/** A text to be found. */
export interface DocumentInput {
  /** Names it in its collection, 1 to 1,024 characters; another text under the same id replaces it. */
  readonly id: string;
  readonly text: string;
  /** Default: none. */
  readonly metadata?: Metadata | undefined;
}

const MAX_ID_LENGTH = 1024;
const MAX_COLLECTION_LENGTH = 128;
/** The same as that of an output. */
const MAX_TEXT_CHARS = 16 * 1024 * 1024;

/** @throws INVALID_INPUT that names the first document at fault, by its place */
export function checkDocuments(docs: unknown): asserts docs is readonly DocumentInput[] {
  if (!Array.isArray(docs)) {
    throw invalid("documents must be an array of { id, text, metadata? }");
  }
  const seen = new Set<string>();
  for (const [index, doc] of docs.entries()) {
    const problem = isObject(doc) ? problemOf(doc) : "is no object { id, text, metadata? }";
    if (problem) {
      throw invalid(`document ${index} ${problem}`);
    }
    const { id } = doc as DocumentInput;
    if (seen.has(id)) {
      throw invalid(`document ${index} has the id ${shown(id)} of another one in the same call`);
    }
    seen.add(id);
  }
}

function problemOf({ id, text, metadata }: Record<string, unknown>): string | undefined {
  if (!isStorableText(id) || id === "" || id.length > MAX_ID_LENGTH) {
    return `has the id ${shown(id)}; it must be a text of 1 to ${MAX_ID_LENGTH} characters without zero characters and halves of surrogate pairs`;
  }
  if (!isStorableText(text)) {
    return `(${shown(id)}) has no text that a database can hold: it must be a string without zero characters and halves of surrogate pairs`;
  }
  if (text.length > MAX_TEXT_CHARS) {
    return `(${shown(id)}) has ${text.length} characters; at most ${MAX_TEXT_CHARS} are allowed`;
  }
  return undefined === metadata ? undefined : problemOfObject(metadata, `(${shown(id)}) has metadata that`);
}

function problemOfObject(value: unknown, what: string): string | undefined {
  if (!isObject(value)) {
    return `${what} is no object`;
  }
  try {
    const json = toJson(value, what);
    return holdsOnlyText(JSON.parse(json)) ? undefined : `${what} holds text that a database cannot hold`;
  } catch (error) {
    return error instanceof GoalpostError ? error.message : `${what} is no JSON`;
  }
}

function holdsOnlyText(value: unknown): boolean {
  if (typeof value === "string") {
    return isStorableText(value);
  }
  return typeof value === "object" && value !== null
    ? Object.entries(value).every(([key, inner]) => isStorableText(key) && holdsOnlyText(inner))
    : true;
}

/** @throws INVALID_INPUT */
export function checkFilter(filter: unknown): asserts filter is Metadata | undefined {
  const problem = filter === undefined ? undefined : problemOfObject(filter, "the filter");
  if (problem) {
    throw invalid(`${problem}; a filter is an object that the metadata must contain`);
  }
}

/** @throws INVALID_INPUT */
export function checkCollection(name: unknown): asserts name is string {
  if (!isStorableText(name) || name.trim() === "" || name.length > MAX_COLLECTION_LENGTH) {
    throw invalid(
      `the collection ${shown(name)} must be named by a text of 1 to ${MAX_COLLECTION_LENGTH} characters`,
    );
  }
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : typeof value;
}

function invalid(message: string): GoalpostError {
  return new GoalpostError("INVALID_INPUT", message);
}
