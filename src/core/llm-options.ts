import type { Complexity, ModelRef } from "./llm.ts";
import type { ChatModels } from "./model.ts";
import type { RoutingMode, RoutingOptions } from "./routing-options.ts";

/** How a provider is reached. */
export interface ProviderOptions {
  /** Whose wire format it speaks. Default: by its name, "openai-compatible" for names that are none of these. */
  readonly kind?: "openai" | "anthropic" | "gemini" | "openai-compatible" | undefined;
  /** Default: from the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY or GOOGLE_API_KEY). */
  readonly apiKey?: string | undefined;
  /** Default: the vendor's, or what OPENAI_BASE_URL, ANTHROPIC_BASE_URL or GOOGLE_GEMINI_BASE_URL say. */
  readonly baseUrl?: string | undefined;
  /**
   * Of OpenAI's kinds. Default: "responses" at api.openai.com; elsewhere "chat", or "responses" if the server does not
   * know the former.
   */
  readonly api?: "responses" | "chat" | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** In place of the global fetch: for proxies, recording and tests. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** US dollars per million tokens. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
  /** Of input that the cache served. Default: as `input`. */
  readonly cacheRead?: number | undefined;
  /** Of input that was written to the cache. Default: as `input`. */
  readonly cacheWrite?: number | undefined;
}

/** What one provider, or one of its models, lets through, on all instances together. */
export interface RateLimit {
  readonly requestsPerMinute?: number | undefined;
  /** Input and output. */
  readonly tokensPerMinute?: number | undefined;
}

/** How models are called. */
export interface LlmOptions {
  /**
   * Providers by name, in the order of preference; false leaves one out. Default: openai, anthropic and gemini, those
   * of them whose key is in the environment. `ChatModels` of your own fit, too.
   */
  readonly providers?: Readonly<Record<string, ProviderOptions | ChatModels | false>> | undefined;
  /** Which models serve which complexity, the first whose provider is there. They come before the built-in table. */
  readonly models?: Partial<Readonly<Record<Complexity, readonly ModelRef[]>>> | undefined;
  /** Prices by "model" or "provider/model"; they come before what is known. */
  readonly prices?: Readonly<Record<string, ModelPrice>> | undefined;
  /**
   * What a call costs whose price nobody knows. "refuse": nobody knows; its cost is null, and under a budget in usd it is
   * not made (BUDGET_EXCEEDED). Or so many US dollars per million tokens of input and output, as an estimate.
   * Default "refuse".
   */
  readonly unknownPrice?: "refuse" | { readonly usdPerMillionTokens: number } | undefined;
  /**
   * How `model: "auto"` becomes a model. "table": by `models` and the built-in table, whatever came of it. "learned": of all
   * models of the table the one that past answers of this kind speak for. Both take note of what comes of it, so that
   * "learned" knows what "table" taught; see `gp.llm.routes()`. Default "table": no model is tried out unasked.
   */
  readonly routing?: RoutingMode | RoutingOptions | undefined;
  /** Shared limits by "provider" or "provider/model". */
  readonly rateLimits?: Readonly<Record<string, RateLimit>> | undefined;
}
