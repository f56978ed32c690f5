import { isObject, type Json } from "../../core/json.ts";
import type { LlmMessage } from "../../core/llm.ts";

/** A part of an answer. Servers leave out and add what they like, so nothing of it is taken for granted. */
export type Wire = Readonly<Record<string, unknown>>;

export function object(value: unknown): Wire {
  return isObject(value) ? value : {};
}

export function objects(value: unknown): readonly Wire[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** A number of tokens; what is none counts as 0. */
export function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;
}

/** Of args that a model wrote as text: null if they are no JSON, an empty object if there are none. */
export function parseArgs(value: unknown): Json {
  if (typeof value !== "string") {
    return (value ?? {}) as Json;
  }
  if (value.trim() === "") {
    return {};
  }
  try {
    return JSON.parse(value) as Json;
  } catch {
    return null;
  }
}

/** What is sent back word for word with the next turn, marked with the wire format that it is in. */
export function nativeOf(format: string, items: unknown): Json {
  return { format, items } as Json;
}

/** What an assistant's turn was in this very format, from this very provider; undefined otherwise. */
export function nativeItems(
  { native }: LlmMessage,
  { provider, format }: { readonly provider: string; readonly format: string },
): readonly Wire[] | undefined {
  const { format: given, items } = object(native?.items);
  return native?.provider === provider && given === format && Array.isArray(items)
    ? objects(items)
    : undefined;
}
