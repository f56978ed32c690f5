import type { Clock } from "../core/clock.ts";
import type { Embedder } from "../core/embedding.ts";
import type { Ledger, PriceBook } from "../core/ledger.ts";
import type { LlmOptions } from "../core/llm-options.ts";
import type { Logger } from "../core/logger.ts";
import type { ChatModels } from "../core/model.ts";
import type { ModelRouting } from "../core/model-routing.ts";
import type { EmbedderSettings } from "./adapters/embedder-settings.ts";
import type { Settlements } from "./settlements.ts";

/** A provider that is configured. */
export interface LlmProvider {
  readonly name: string;
  readonly models: ChatModels;
  /** Makes embedders; absent where the provider has none. */
  readonly embedder?: ((settings: EmbedderSettings) => Embedder) | undefined;
  /** The embedding model of requests that name none. */
  readonly embedModel?: string | undefined;
}

/** What calls of models are made with. */
export interface LlmParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ledger: Ledger;
  readonly prices: PriceBook;
  readonly settlements: Settlements;
  /** In the order of preference. */
  readonly providers: readonly LlmProvider[];
  readonly options: Pick<LlmOptions, "providers" | "models" | "routing">;
  /** Undefined: by the table alone, and nobody takes note. */
  readonly routing?: ModelRouting | undefined;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** A model that can be asked. */
export interface Candidate {
  readonly provider: LlmProvider;
  readonly model: string;
}

/** Longer waits give the worker's slot back. */
export const IN_PLACE_MS = 10_000;
