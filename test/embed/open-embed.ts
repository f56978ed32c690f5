import type { EmbedFunction } from "../../src/core/embedding.ts";
import { embedWith } from "../../src/embed-calls.ts";
import { clientEmbed } from "../../src/embed-client.ts";
import { EmbedModels } from "../../src/embed-models.ts";
import { systemClock } from "../../src/engine/system-clock.ts";
import { type EmbedOptions, type LlmOptions, silentLogger } from "../../src/index.ts";
import { createPriceBook } from "../../src/llm/prices.ts";
import { readProviders } from "../../src/llm/providers.ts";
import { type MemoryLedger, openDesk, outside } from "../llm/fakes.ts";

/** What a client embeds with, without a database: a ledger in memory, and tries that follow each other at once. */
export interface OpenEmbed {
  readonly embed: EmbedFunction;
  readonly ledger: MemoryLedger;
  readonly close: () => Promise<void>;
}

export function openEmbed(embed: EmbedOptions, llm: LlmOptions = {}): OpenEmbed {
  const { parts, ledger } = openDesk();
  const providers = readProviders(llm, {}, silentLogger);
  const prices = createPriceBook({ prices: llm.prices, now: () => Date.now() });
  const own = { ...parts, clock: systemClock, random: () => 0, providers, prices };
  const models = new EmbedModels(embed, providers);
  const embedApart: Parameters<typeof clientEmbed>[0]["embedApart"] = async (asked, options = {}) => {
    const ctx = { ...outside(), ...(options.signal && { signal: options.signal }) };
    return embedWith({ llm: own, model: models.find(asked.model) }, asked, ctx);
  };
  return { embed: clientEmbed({ embedApart }), ledger, close: () => models.close() };
}
