import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { Ledger, PriceBook } from "./core/ledger.ts";
import type { LlmOptions } from "./core/llm-options.ts";
import type { Logger } from "./core/logger.ts";
import { llmEnvironment } from "./environment.ts";
import type { Lesson } from "./fleet/guidance.ts";
import type { Learning } from "./learning.ts";
import type { LlmProvider } from "./llm/llm-parts.ts";
import { ModelRoutes } from "./model-routes.ts";
import { createLedger } from "./store/ledger.ts";

/** What models are called with, opened when the first one is. */
export interface LlmBackends {
  /** Those that are configured, in the order of preference. */
  providers(): Promise<readonly LlmProvider[]>;
  prices(): Promise<PriceBook>;
  readonly ledger: Ledger;
  /** What is known of models. */
  readonly routes: ModelRoutes;
}

export interface LlmBackendsOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly llm: LlmOptions;
  /** The worker whose end tells that nobody will settle what this client reserved. */
  readonly worker: string;
  /** Knows what other databases learned. */
  readonly learning: Pick<Learning, "fleet">;
}

/** The vendors' SDKs, the catalogue of prices and the database's ledger. @throws INVALID_INPUT for bad options */
export function llmBackends(options: LlmBackendsOptions): LlmBackends {
  const { driver, clock, logger, llm, worker, learning } = options;
  const advice = (kind: string): readonly Lesson[] => learning.fleet?.advice.models(kind) ?? [];
  return {
    providers: async () => {
      const { readProviders } = await import("./llm/providers.ts");
      return readProviders(llm, llmEnvironment(), logger);
    },
    prices: async () =>
      (await import("./llm/prices.ts")).createPriceBook({
        prices: llm.prices,
        unknownPrice: llm.unknownPrice,
        now: () => clock.now(),
      }),
    routes: new ModelRoutes({ driver, clock, logger, random: Math.random, advice }),
    ledger: createLedger({ driver, logger, worker, rateLimits: llm.rateLimits }),
  };
}
