import type { EmbedPurpose, EmbedQueries, EmbedQuery, EmbedSettings } from "../core/embedding.ts";
import { GoalpostError } from "../core/errors.ts";
import { isObject, isStorableText } from "../core/json.ts";

/** Characters that a query may have. */
export const MAX_QUERY_CHARACTERS = 10_000;
const PURPOSES: readonly EmbedPurpose[] = ["query", "document", "similarity", "classification", "clustering"];
const KEYS = ["query", "queries", "model", "purpose", "labels", "signal", "onProgress"];

/** A request with one text or many. */
export type GivenRequest = (EmbedQuery | EmbedQueries) & EmbedSettings;

/** The texts of a request, and what for. @throws INVALID_INPUT */
export function checkEmbedRequest(request: GivenRequest): {
  readonly texts: readonly string[];
  readonly purpose: EmbedPurpose;
} {
  const given: unknown = request;
  if (!isObject(given)) {
    throw refusal("embed takes { query } or { queries }, and model, purpose, signal, onProgress");
  }
  const unknown = Object.keys(given).filter((key) => !KEYS.includes(key));
  if (unknown.length > 0) {
    throw refusal(`embed was given ${unknown.join(", ")}; it takes ${KEYS.join(", ")}`);
  }
  const { query, queries, model, purpose = "query", onProgress } = given;
  if ((query === undefined) === (queries === undefined)) {
    throw refusal(
      `embed takes either query (one text) or queries (any number), ${query === undefined ? "and got neither" : "not both"}`,
    );
  }
  if (queries !== undefined && !Array.isArray(queries)) {
    throw refusal(`queries is ${nameOf(queries)}; it must be an array of texts. For one text, give query`);
  }
  const texts: readonly unknown[] = queries ?? [query];
  for (const [index, text] of texts.entries()) {
    checkQuery(text, queries === undefined ? "query" : `queries[${index}]`);
  }
  checkModel(model);
  if (!PURPOSES.includes(purpose as EmbedPurpose)) {
    throw refusal(`purpose is ${JSON.stringify(purpose)}; it must be one of ${PURPOSES.join(", ")}`);
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw refusal("onProgress must be a function of (done, total)");
  }
  return { texts: texts as readonly string[], purpose: purpose as EmbedPurpose };
}

/** @throws INVALID_INPUT for what is no text of 1 to 10,000 characters */
export function checkQuery(text: unknown, what: string): asserts text is string {
  checkText(text, what);
  const characters = text.length > MAX_QUERY_CHARACTERS ? [...text].length : text.length;
  if (characters > MAX_QUERY_CHARACTERS) {
    throw refusal(
      `${what} has ${characters} characters; it may have ${MAX_QUERY_CHARACTERS}: cut it into pieces and embed each`,
    );
  }
}

/** Of texts that the client cut itself. @throws INVALID_INPUT for what is no text, or blank */
export function checkTexts(texts: readonly unknown[]): void {
  for (const [index, text] of texts.entries()) {
    checkText(text, `text ${index}`);
  }
}

/** @throws INVALID_INPUT */
export function checkModel(model: unknown): asserts model is string | undefined {
  if (model !== undefined && (typeof model !== "string" || model.trim() === "")) {
    throw refusal(`model is ${nameOf(model)}; it must be the name of an embedding model, such as "hash"`);
  }
}

function checkText(text: unknown, what: string): asserts text is string {
  if (typeof text !== "string") {
    throw refusal(`${what} is ${nameOf(text)}; it must be a text`);
  }
  if (text.trim() === "") {
    throw refusal(`${what} is empty; it must have 1 to ${MAX_QUERY_CHARACTERS} characters, not all blank`);
  }
  if (!isStorableText(text)) {
    throw refusal(
      `${what} holds a half of a surrogate pair or a zero character; it must be a well-formed text`,
    );
  }
}

/** What something is, without showing it. */
function nameOf(value: unknown): string {
  return value === null
    ? "null"
    : Array.isArray(value)
      ? "an array"
      : typeof value === "string"
        ? "empty"
        : `of type ${typeof value}`;
}

function refusal(message: string): GoalpostError {
  return new GoalpostError("INVALID_INPUT", message);
}
