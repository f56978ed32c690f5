import { GoalpostError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import type { ProviderOptions } from "../core/llm-options.ts";
import type { ChatModels } from "../core/model.ts";

/** Whose wire format a provider speaks. */
export type ProviderKind = NonNullable<ProviderOptions["kind"]>;

const KINDS: readonly ProviderKind[] = ["openai", "anthropic", "gemini", "openai-compatible"];
const KEYS = ["kind", "apiKey", "baseUrl", "api", "headers", "fetch"];

/** `ChatModels` of the user's own. */
export function isChatModels(entry: unknown): entry is ChatModels {
  return isObject(entry) && typeof entry.generate === "function";
}

/** The kind of a provider: what its options say, else by its name. */
export function kindOf(name: string, { kind }: ProviderOptions): ProviderKind {
  return kind ?? KINDS.find((one) => one === name) ?? "openai-compatible";
}

/** @throws INVALID_INPUT with what is wrong with the options of one provider */
export function checkProvider(name: string, entry: unknown): void {
  const what = `llm.providers.${name}`;
  if (name.trim() === "" || name.includes("/")) {
    refuse(`the name ${JSON.stringify(name)} in llm.providers must be a text without "/"`);
  }
  if (isChatModels(entry)) {
    if (typeof entry.provider !== "string" || typeof entry.structured !== "boolean") {
      refuse(`${what} has generate(); it needs provider (a text) and structured (true or false), too`);
    }
    return;
  }
  if (!isObject(entry)) {
    refuse(`${what} must be options ({ ${KEYS.join(", ")} }), ChatModels, or false to leave it out`);
  }
  const unknown = Object.keys(entry).filter((key) => !KEYS.includes(key));
  if (unknown.length > 0) {
    refuse(
      `${what} has ${unknown.map((key) => JSON.stringify(key)).join(", ")}; it may have ${KEYS.join(", ")}`,
    );
  }
  checkKind(what, entry);
  checkText(what, entry, "apiKey");
  checkText(what, entry, "baseUrl");
  if (entry.baseUrl !== undefined) {
    checkUrl(entry.baseUrl, `${what}.baseUrl`);
  }
  checkHeaders(what, entry.headers);
  if (entry.fetch !== undefined && typeof entry.fetch !== "function") {
    refuse(`${what}.fetch must be a function like the global fetch`);
  }
}

function checkKind(what: string, { kind, api }: Readonly<Record<string, unknown>>): void {
  if (kind !== undefined && !KINDS.some((one) => one === kind)) {
    refuse(`${what}.kind is ${JSON.stringify(kind)}; it must be one of ${KINDS.join(", ")}`);
  }
  if (api !== undefined && api !== "responses" && api !== "chat") {
    refuse(`${what}.api is ${JSON.stringify(api)}; it must be "responses" or "chat"`);
  }
}

function checkText(what: string, entry: Readonly<Record<string, unknown>>, key: string): void {
  const value = entry[key];
  if (value !== undefined && (typeof value !== "string" || value.trim() === "")) {
    refuse(`${what}.${key} must be a text that is not empty; leave it out for the default`);
  }
}

/** @throws INVALID_INPUT; the URL is not shown, because it may hold a password */
export function checkUrl(value: unknown, what: string): string {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    refuse(`${what} must be an http or https URL, such as https://llm.example.com/v1`);
  }
  return String(value);
}

function checkHeaders(what: string, headers: unknown): void {
  if (headers === undefined) {
    return;
  }
  const isPlain = isObject(headers) && Object.values(headers).every((value) => typeof value === "string");
  try {
    if (isPlain) {
      new Headers(headers as Record<string, string>);
      return;
    }
  } catch {
    // Names or values that no header can have.
  }
  refuse(`${what}.headers must be an object of texts that are allowed in HTTP headers`);
}

/** @throws INVALID_INPUT */
export function refuse(message: string): never {
  throw new GoalpostError("INVALID_INPUT", message);
}
