import type { JsonSchema } from "./goal.ts";
import type { Json } from "./json.ts";
import type { FinishReason, LlmMessage, ToolCall } from "./llm.ts";

/** Tokens of one call, in one form for all providers. Input includes what the cache served; output, the reasoning. */
export interface TokenUsage {
  readonly inputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  /** Of the cache writes, those kept for an hour. */
  readonly cacheWrite1hTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** True if the provider did not say, and it was counted by us. */
  readonly estimated: boolean;
}

/** One call of one model; nothing of it is decided by the provider's side any more. */
export interface ModelRequest {
  readonly model: string;
  readonly messages: readonly LlmMessage[];
  readonly schema?: { readonly name: string; readonly json: JsonSchema } | undefined;
  readonly tools?: readonly ToolSpec[] | undefined;
  /** "none": the tools are known from earlier turns and must not be asked for any more. Default "auto". */
  readonly toolChoice?: "auto" | "none" | undefined;
  readonly maxOutputTokens: number;
  readonly temperature?: number | undefined;
  readonly effort?: "low" | "medium" | "high" | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly seed?: number | undefined;
}

export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the args. */
  readonly parameters: JsonSchema;
}

export interface ModelCallContext {
  readonly signal: AbortSignal;
  /** Milliseconds that are left for this call. */
  readonly timeoutMs: number;
  /** Sent along, so that a call can be found in the provider's logs. */
  readonly callId: string;
  /** Given: the answer is streamed, and told piece by piece. */
  readonly onText?: ((text: string) => void) | undefined;
  /**
   * Told of what was used as soon as it is known, before anything of the answer is parsed: while a stream goes on,
   * and of calls that fail, too. The last one counts.
   */
  readonly onUsage: (usage: TokenUsage) => void;
}

export interface ModelResponse {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: FinishReason;
  /** Why the model refused, in its words. */
  readonly refusal: string | null;
  /** Null if the provider did not say. */
  readonly usage: TokenUsage | null;
  /** The model that was served. */
  readonly model: string;
  readonly responseId: string | null;
  /** The provider's id of the HTTP request. */
  readonly requestId: string | null;
  /** What the provider says it cost, in US dollars; most do not say. */
  readonly costUsd: number | null;
  /** What has to be sent back word for word with the next turn. */
  readonly native: Json;
  /** What the provider says is left of its rate limits. */
  readonly limits: RateLimitState | null;
}

export interface RateLimitState {
  readonly remainingRequests?: number | undefined;
  readonly remainingTokens?: number | undefined;
  /** Milliseconds until the smaller one is full again. */
  readonly resetMs?: number | undefined;
}

/** A provider's models, over its SDK. */
export interface ChatModels {
  readonly provider: string;
  /** Whether answers can be held to a JSON Schema by the provider; if not, the schema is part of the prompt. */
  readonly structured: boolean;
  /** @throws ModelError */
  generate(request: ModelRequest, ctx: ModelCallContext): Promise<ModelResponse>;
}

/**
 * Why a call failed.
 * Tried again: rate_limited, overloaded, server, network, timeout, malformed.
 * With another model: not_found, too_long, refused, and what is tried again in vain.
 * Not again: auth, quota, bad_request. aborted: it was the caller's wish.
 */
export type ModelErrorKind =
  | "rate_limited"
  | "overloaded"
  | "server"
  | "network"
  | "timeout"
  | "malformed"
  | "not_found"
  | "too_long"
  | "refused"
  | "auth"
  | "quota"
  | "bad_request"
  | "aborted";

/** A call that failed, whichever SDK it went through. Its message holds no secret and nothing of the prompt. */
export class ModelError extends Error {
  override readonly name = "ModelError";
  readonly kind: ModelErrorKind;
  readonly status: number | null;
  /** Milliseconds after which the provider asks to be called again. */
  readonly retryAfterMs: number | null;
  readonly requestId: string | null;
  /** Whether the provider may have worked on it, and billed it: false if it said no at once. */
  readonly mayBeBilled: boolean;

  constructor(kind: ModelErrorKind, message: string, facts: ModelErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.kind = kind;
    this.status = facts.status ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.requestId = facts.requestId ?? null;
    this.mayBeBilled = facts.mayBeBilled ?? false;
  }
}

export interface ModelErrorFacts {
  readonly status?: number | null | undefined;
  readonly retryAfterMs?: number | null | undefined;
  readonly requestId?: string | null | undefined;
  readonly mayBeBilled?: boolean | undefined;
  readonly cause?: unknown;
}
