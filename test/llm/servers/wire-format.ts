/** An answer in neutral words; each vendor's wire format makes its own of it. */
export interface Answer {
  readonly text?: string;
  readonly toolCalls?: readonly { readonly id?: string; readonly name: string; readonly args: unknown }[];
  /** Null: the server does not say. Default: 10 in, 5 out. */
  readonly usage?: Tokens | null;
  /** "blocked": the prompt was refused before anything was written. "pause": it wants to be called again. */
  readonly finish?: "stop" | "length" | "refusal" | "content_filter" | "blocked" | "pause";
  readonly refusal?: string;
  readonly model?: string;
  /** With reasoning that has to be sent back. */
  readonly reasoning?: boolean;
  readonly costUsd?: number;
}

/** Tokens as we count them: input with what the cache served, output with reasoning. */
export interface Tokens {
  readonly input: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly output: number;
  readonly reasoning?: number;
}

export interface SseEvent {
  readonly event?: string;
  readonly data: unknown;
}

export interface ErrorWords {
  readonly code?: string;
  readonly message: string;
  readonly param?: string;
}

/** How one vendor speaks. */
export interface WireFormat {
  /** Paths that it serves. */
  readonly path: RegExp;
  isStream(request: { readonly path: string; readonly body: Record<string, unknown> }): boolean;
  whole(answer: Answer): Record<string, unknown>;
  events(answer: Answer): SseEvent[];
  error(status: number, words: ErrorWords): unknown;
  /** What it says when it breaks down in the middle of a stream. */
  readonly overloaded: SseEvent;
  /** Comes after the last event. */
  readonly end?: string;
  /** Says which HTTP request it was. */
  readonly requestIdHeader: string;
}

export const DEFAULT_USAGE: Tokens = { input: 10, output: 5 };

/** A text in pieces, some of them in the middle of a word. */
export function pieces(text: string): string[] {
  const all: string[] = [];
  const characters = [...text];
  for (let at = 0, size = 1; at < characters.length; at += size, size = (size % 5) + 1) {
    all.push(characters.slice(at, at + size).join(""));
  }
  return all;
}
