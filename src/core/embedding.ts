import type { ModelRef } from "./llm.ts";
import type { Usage } from "./usage.ts";

/**
 * What a text is embedded for; some models embed questions and documents differently. "similarity", "classification"
 * and "clustering" are for texts of one kind that are compared with each other.
 */
export type EmbedPurpose = "query" | "document" | "similarity" | "classification" | "clustering";

/** What an embedder is asked. */
export interface EmbedBatch {
  /** In the order of the answer; none is empty. */
  readonly texts: readonly string[];
  readonly purpose: EmbedPurpose;
  readonly signal: AbortSignal;
  /** Milliseconds that are left for this call. */
  readonly timeoutMs: number;
  /** Sent along, so that a call can be found in the provider's logs. */
  readonly callId: string;
}

/** What it answers. */
export interface EmbedAnswer {
  /** One a text, in their order, all of one length; not normalised. */
  readonly vectors: readonly ArrayLike<number>[];
  /** Null: nobody knows. */
  readonly inputTokens: number | null;
  /** The model that was served. Default: the one that was asked. */
  readonly servedModel?: string | undefined;
  /** The provider's id of the HTTP request. */
  readonly requestId?: string | null | undefined;
  /** What the provider says it cost, in US dollars. */
  readonly costUsd?: number | null | undefined;
}

/** One model that turns texts into vectors. */
export interface Embedder extends ModelRef {
  /** Texts in one call at most. */
  readonly batchSize: number;
  /** Tokens in one call at most, by our estimate. */
  readonly batchTokens: number;
  /** Calls under way at once. Default 1. */
  readonly concurrency?: number | undefined;
  /** Null: an answer may have any. */
  readonly dimensions: number | null;
  /** It runs in this process, and costs nothing. Default false. */
  readonly isFree?: boolean | undefined;
  /** Makes it ready, before the first call and its time. @throws GoalpostError */
  prepare?(): Promise<void>;
  /** @throws ModelError, GoalpostError */
  embed(batch: EmbedBatch): Promise<EmbedAnswer>;
  dispose?(): Promise<void>;
}

/** Texts that were embedded. */
export interface Embedded {
  /** L2-normalised, to 8 decimals, one a text, in their order. */
  readonly vectors: readonly (readonly number[])[];
  readonly provider: string;
  /** `${provider}/${model}` names the model again. */
  readonly model: string;
  readonly dimensions: number;
  readonly usage: Usage;
}

/** Embeds any number of texts on somebody's account: batched, equal texts once, order kept. */
export type EmbedTexts = (
  texts: readonly string[],
  options: {
    /** As in `gp.embed`. Default: the client's. */
    readonly model?: string | undefined;
    readonly purpose: EmbedPurpose;
    readonly signal?: AbortSignal | undefined;
    /** Texts that are done, of all of them. */
    readonly onProgress?: ((done: number, total: number) => void) | undefined;
  },
) => Promise<Embedded>;

/** How texts are embedded. */
export interface EmbedCallOptions {
  /**
   * - "hash": feature hashing of words and parts of words, made here in no time, 384 numbers; "hash-512" for 512. It
   *   finds texts that share words, not meanings.
   * - "provider/model" of a provider in `llm.providers` or with a key: "openai/text-embedding-3-small",
   *   "gemini/gemini-embedding-001", "myserver/BAAI/bge-m3". OpenAI's and Gemini's need no provider's name.
   * - "local": all-MiniLM-L6-v2, 384 numbers, in this process; "local/ID" and "local/PATH" for another.
   * - "qodo", "jina-v3", "combined", and what else `embed.models` of `Goalpost.open` names.
   *
   * Default: `embed.model` of `Goalpost.open`, else that of the first provider with a key that has one (OpenAI's
   * text-embedding-3-small, Gemini's gemini-embedding-001), else "hash".
   */
  readonly model?: string | undefined;
  /** Default "query". */
  readonly purpose?: EmbedPurpose | undefined;
}

/** What `gp.embed` is told besides the texts. */
export interface EmbedSettings extends EmbedCallOptions {
  /** What the cost is counted under. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of the texts that are done, of all of them, after each call of the model. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** One text. */
export interface EmbedQuery {
  /** 1 to 10,000 characters, not all of them blank. */
  readonly query: string;
  readonly queries?: undefined;
}

/** Any number of texts. */
export interface EmbedQueries {
  /** Each of 1 to 10,000 characters, not all of them blank. */
  readonly queries: readonly string[];
  readonly query?: undefined;
}

/** By which model texts were embedded, and what that cost. */
export interface EmbeddedBy {
  readonly provider: string;
  /** `${provider}/${model}` names the model again. */
  readonly model: string;
  /** How many numbers a vector has. */
  readonly embeddingDim: number;
  readonly usage: Usage;
}

/** A text that was embedded. */
export interface EmbedResult extends EmbeddedBy {
  /** L2-normalised. */
  readonly embedding: readonly number[];
}

/** Texts that were embedded. */
export interface EmbedResults extends EmbeddedBy {
  /** L2-normalised, one a text, in their order. */
  readonly embeddings: readonly (readonly number[])[];
}

/** `gp.embed`: texts as vectors, outside of tasks. */
export interface EmbedFunction {
  /**
   * Embeds a text. The vector has length 1. It is on the ledger, but belongs to no run.
   * @throws INVALID_INPUT for a text that is empty, too long or none, and for a model that is unknown; NO_PROVIDER,
   * PROVIDER_ERROR, BUDGET_EXCEEDED, CLOSED, or the signal's reason
   */
  (request: EmbedQuery & EmbedSettings): Promise<EmbedResult>;
  /** Embeds any number of texts: in batches, equal ones once, in their order. */
  (request: EmbedQueries & EmbedSettings): Promise<EmbedResults>;
}

/** What a step embeds with. */
export interface StepEmbed {
  (request: EmbedQuery & StepEmbedSettings): Promise<EmbedResult>;
  (request: EmbedQueries & StepEmbedSettings): Promise<EmbedResults>;
}

/** What `ctx.embed` is told besides the texts. */
export interface StepEmbedSettings extends EmbedCallOptions, Pick<EmbedSettings, "onProgress"> {}
