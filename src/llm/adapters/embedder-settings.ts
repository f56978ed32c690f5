import type { EmbedPurpose } from "../../core/embedding.ts";

/** How a provider's embedder is made. */
export interface EmbedderSettings {
  readonly model: string;
  /** Null: what comes. */
  readonly dimensions: number | null;
  /** Texts in one call at most. Default: by the provider. */
  readonly batchSize?: number | undefined;
  /** What servers that know tasks are told of a purpose. Default: nothing. */
  readonly taskOf?: ((purpose: EmbedPurpose) => string) | undefined;
}
