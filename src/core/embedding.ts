import type { ModelRef } from "./llm.ts";
import type { Usage } from "./usage.ts";

/** What a text is embedded for; some models embed questions and documents differently. */
export type EmbedPurpose = "query" | "document";

/** What an embedder is asked. */
export interface EmbedBatch {
  /** In the order of the answer; none is empty. */
  readonly texts: readonly string[];
  readonly purpose: EmbedPurpose;
  readonly signal: AbortSignal;
}

/** What it answers. */
export interface EmbedAnswer {
  /** One a text, in their order, all of one length; not normalised. */
  readonly vectors: readonly ArrayLike<number>[];
  /** Null: nobody knows. */
  readonly inputTokens: number | null;
}

/** One model that turns texts into vectors. */
export interface Embedder extends ModelRef {
  /** Texts in one call at most. */
  readonly batchSize: number;
  /** Tokens in one call at most, by our estimate. */
  readonly batchTokens: number;
  /** Null until it is known from an answer. */
  readonly dimensions: number | null;
  /** @throws ModelError, GoalpostError */
  embed(batch: EmbedBatch): Promise<EmbedAnswer>;
  dispose?(): Promise<void>;
}

/** Texts that were embedded. */
export interface Embedded {
  /** L2-normalised, one a text, in their order. */
  readonly vectors: readonly (readonly number[])[];
  readonly provider: string;
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
