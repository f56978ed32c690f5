import type { Ledger, PriceBook } from "./core/ledger.ts";
import type { LlmOptions } from "./core/llm-options.ts";
import type { ChatModels } from "./core/model.ts";
import type { LlmProvider } from "./llm/llm-parts.ts";

/** What models are called with, opened when the first one is. */
export interface LlmBackends {
  /** Those that are configured, in the order of preference. */
  providers(): Promise<readonly LlmProvider[]>;
  prices(): Promise<PriceBook>;
  readonly ledger: Ledger;
}

/** The providers that the options hold as they are, and a book that keeps nothing. */
export function llmBackends(options: LlmOptions): LlmBackends {
  return { providers: async () => ownProviders(options), prices: async () => unknownPrices, ledger: noBook };
}

function ownProviders({ providers = {} }: LlmOptions): LlmProvider[] {
  return Object.entries(providers).flatMap(([name, given]) =>
    given && "generate" in given ? [{ name, models: given as ChatModels }] : [],
  );
}

const unknownPrices: PriceBook = {
  price: () => ({ costNanoUsd: null, priceSource: "unknown", unitPrices: null }),
};

const noBook: Ledger = {
  reserve: async () => ({ outcome: "reserved" }),
  settle: async () => undefined,
  holdBack: async () => undefined,
  usageOf: () => Promise.reject(new Error("there is no ledger")),
};
