import { type CassetteRequest, textOfRequest } from "./cassette-key.ts";

/**
 * - `replay`: answers from the file, never from the network.
 * - `record`: sends every request, and replaces the file by what came.
 * - `passthrough`: sends every request, and keeps nothing.
 * - `auto`: `replay` if the file exists; else `record` if the environment says GOALPOST_RECORD=1; else an error.
 */
export type CassetteMode = "replay" | "record" | "passthrough" | "auto";

/** How a cassette is used. */
export interface CassetteOptions {
  /** Default "auto". */
  readonly mode?: CassetteMode | undefined;
  /**
   * Texts that must not get into the file, besides what requests carry as a key, token or cookie: those are never
   * recorded, and removed from bodies as well if they are 8 characters long or longer.
   */
  readonly secrets?: readonly string[] | undefined;
  /**
   * Fields of JSON bodies that make no difference, as paths: `input.*.id`. They come besides stream_options.
   * include_obfuscation, prompt_cache_key, safety_identifier, metadata, user and labels.
   */
  readonly ignore?: readonly string[] | undefined;
  /** What tells requests apart, in place of method, path and body. */
  readonly match?: ((request: CassetteRequest) => unknown) | undefined;
  /** Replay streams with the pauses that they had. Default false: at once. */
  readonly realTime?: boolean | undefined;
  /** What sends requests. Default: the global fetch. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** What a cassette does with requests. */
export interface Deck {
  readonly fetch: typeof globalThis.fetch;
  save(): Promise<void>;
  assertComplete(): void;
}

/** What tells a request from others. */
export function textOf(request: CassetteRequest, { match, ignore = [] }: CassetteOptions): string {
  return match ? JSON.stringify(match(request)) : textOfRequest(request, ignore);
}
