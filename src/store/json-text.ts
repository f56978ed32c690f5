import type { Json } from "../core/json.ts";

/** The value of a json column, which drivers are asked for as text. */
export function parse(text: string | null): Json {
  return text === null ? null : (JSON.parse(text) as Json);
}
