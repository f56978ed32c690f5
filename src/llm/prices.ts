import { createRequire } from "node:module";
import { GoalpostError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import type { Price, PriceBook } from "../core/ledger.ts";
import type { LlmOptions, ModelPrice } from "../core/llm-options.ts";
import type { TokenUsage } from "../core/model.ts";

type Catalogue = typeof import("@pydantic/genai-prices");

/** What our names of providers are in the catalogue, where that differs. */
const CATALOGUE_PROVIDERS: ReadonlyMap<string, string> = new Map([["gemini", "google"]]);
const PRICE_FIELDS: readonly string[] = ["input", "output", "cacheRead", "cacheWrite"];

/** Prices are kept to a nano-dollar per million tokens: a cost is then a whole number of millionths of a nano-dollar. */
const NANO = 1_000_000_000;
const PER_TOKENS = 1_000_000n;

/** US dollars per million tokens, `request` per request: what one call is charged by. */
interface UnitPrices {
  readonly input: number;
  readonly output?: number | undefined;
  readonly cacheRead?: number | undefined;
  readonly cacheWrite?: number | undefined;
  readonly cacheWrite1h?: number | undefined;
  readonly reasoning?: number | undefined;
  readonly request?: number | undefined;
}

export interface PriceBookOptions {
  /** Prices by "model" or "provider/model"; they come before what is known. */
  readonly prices?: Readonly<Record<string, ModelPrice>> | undefined;
  /** What stands in for prices that nobody knows. Default: nothing, such a cost is unknown. */
  readonly unknownPrice?: LlmOptions["unknownPrice"];
  /** Milliseconds since the epoch: prices change. */
  readonly now: () => number;
}

const UNKNOWN: Price = { costNanoUsd: null, priceSource: "unknown", unitPrices: null };

/**
 * Prices from the user, else as the provider reports the cost, else from the catalogue that comes with the package, which
 * is loaded on first use. A model that none of them knows costs what `unknownPrice` says, else nobody knows.
 * @throws INVALID_INPUT for a price that is none
 */
export function createPriceBook({ prices = {}, unknownPrice, now }: PriceBookOptions): PriceBook {
  checkPrices(prices);
  const assumed = readAssumed(unknownPrice);
  const known = new Map(Object.entries(prices));
  return {
    price(ref, usage, reportedUsd = null): Price {
      const own = known.get(`${ref.provider}/${ref.model}`) ?? known.get(ref.model);
      if (own) {
        return priced(usage, { ...own }, "user");
      }
      if (reportedUsd !== null && Number.isFinite(reportedUsd) && reportedUsd >= 0) {
        return { costNanoUsd: toNano(reportedUsd), priceSource: "provider", unitPrices: null };
      }
      const found = lookUp(ref, { usage, at: new Date(now()) });
      return found
        ? { ...priced(usage, found.units, "catalogue"), ...(found.family && { family: found.family }) }
        : assumed(usage);
    },
  };
}

/** @throws INVALID_INPUT */
function readAssumed(unknownPrice: LlmOptions["unknownPrice"]): (usage: TokenUsage) => Price {
  if (unknownPrice === undefined || unknownPrice === "refuse") {
    return () => UNKNOWN;
  }
  const usd: unknown = isObject(unknownPrice) ? unknownPrice.usdPerMillionTokens : undefined;
  if (typeof usd !== "number" || !isPrice(usd)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      'llm.unknownPrice must be "refuse" or { usdPerMillionTokens: a number ≥ 0 }',
    );
  }
  return (usage) => priced(usage, { input: usd, output: usd }, "estimate");
}

/** @throws INVALID_INPUT */
function checkPrices(prices: Readonly<Record<string, ModelPrice>>): void {
  for (const [model, price] of Object.entries(prices)) {
    const entries: readonly [string, unknown][] = isObject(price) ? Object.entries(price) : [];
    const given = entries.filter(([, value]) => value !== undefined);
    const wrong = given.find(
      ([field, value]) => !PRICE_FIELDS.includes(field) || typeof value !== "number" || !isPrice(value),
    );
    if (wrong || !["input", "output"].every((field) => given.some(([name]) => name === field))) {
      const what = wrong ? `${wrong[0]} is ${String(wrong[1])}` : "input or output is missing";
      throw new GoalpostError(
        "INVALID_INPUT",
        `llm.prices[${JSON.stringify(model)}]: ${what}; a price is { input, output, cacheRead?, cacheWrite? } in US dollars per million tokens, ≥ 0`,
      );
    }
  }
}

/** A thousand dollars a token is no price. */
function isPrice(value: number): boolean {
  return value >= 0 && value <= NANO;
}

function toNano(usd: number): bigint {
  return BigInt(Math.round(usd * NANO));
}

/** The cost in whole nano-USD, half rounded up; nothing is added up as a float. */
function priced(usage: TokenUsage, units: UnitPrices, priceSource: Price["priceSource"]): Price {
  const { input, output, cacheRead = input, cacheWrite = input, request = 0 } = units;
  const { cacheWrite1h = cacheWrite, reasoning = output } = units;
  if (output === undefined && usage.outputTokens > 0) {
    return UNKNOWN;
  }
  const long = Math.min(usage.cacheWrite1hTokens, usage.cacheWriteTokens);
  const thought = Math.min(usage.reasoningTokens, usage.outputTokens);
  const parts: readonly [number, number][] = [
    [Math.max(0, usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens), input],
    [usage.cacheReadTokens, cacheRead],
    [usage.cacheWriteTokens - long, cacheWrite],
    [long, cacheWrite1h],
    [usage.outputTokens - thought, output ?? 0],
    [thought, reasoning ?? 0],
  ];
  const sum = parts.reduce((total, [tokens, usd]) => total + BigInt(whole(tokens)) * toNano(usd), 0n);
  const costNanoUsd = (sum + toNano(request) * PER_TOKENS + PER_TOKENS / 2n) / PER_TOKENS;
  const given = Object.entries(units).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return { costNanoUsd, priceSource, unitPrices: Object.fromEntries(given) };
}

/** What an odd server reports must not lose the rest. */
function whole(tokens: number): number {
  return Number.isFinite(tokens) ? Math.max(0, Math.ceil(tokens)) : 0;
}

/** The price that the catalogue has for a request of this size; undefined if it has none. */
function lookUp(
  { provider, model }: { readonly provider: string; readonly model: string },
  { usage, at }: { readonly usage: TokenUsage; readonly at: Date },
): { readonly units: UnitPrices; readonly family: string | undefined } | undefined {
  try {
    const found = catalogue().calcPrice({ input_tokens: usage.inputTokens }, model, {
      providerId: CATALOGUE_PROVIDERS.get(provider) ?? provider,
      timestamp: at,
    });
    // Where a model has tiers the size of the whole request decides for all its tokens.
    const unit = (key: string): number | undefined => {
      const price = found?.model_price[key];
      if (price === undefined || typeof price === "number") {
        return price;
      }
      const reached = price.tiers.filter((tier) => usage.inputTokens > tier.start);
      return reached.reduce((last, tier) => (tier.start > last.start ? tier : last), {
        start: -1,
        price: price.base,
      }).price;
    };
    const input = unit("input_mtok");
    if (!found || input === undefined) {
      return undefined;
    }
    const requests = unit("requests_kcount");
    const units = {
      input,
      output: unit("output_mtok"),
      cacheRead: unit("cache_read_mtok"),
      cacheWrite: unit("cache_write_mtok"),
      cacheWrite1h: unit("cache_write_1h_mtok"),
      reasoning: unit("output_reasoning_mtok"),
      request: requests === undefined ? undefined : requests / 1000,
    };
    return { units, family: isSame(found.model.id, model) ? undefined : found.model.id };
  } catch {
    // It throws for numbers that it does not like.
    return undefined;
  }
}

/** Whether a model's name is that of the catalogue, but for a date or the like at its end. */
function isSame(known: string, model: string): boolean {
  return (
    model === known ||
    (model.startsWith(known) && /^[-@:](\d|latest|preview)[\d-]*$/.test(model.slice(known.length)))
  );
}

let loaded: Catalogue | undefined;

/** Its data is large: nobody who asks for no price should wait for it. */
function catalogue(): Catalogue {
  loaded ??= createRequire(import.meta.url)("@pydantic/genai-prices") as Catalogue;
  return loaded;
}
