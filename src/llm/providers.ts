import type { Embedder } from "../core/embedding.ts";
import { isObject } from "../core/json.ts";
import type { LlmOptions, ProviderOptions } from "../core/llm-options.ts";
import type { Logger } from "../core/logger.ts";
import type { ChatModels } from "../core/model.ts";
import { anthropic } from "./adapters/anthropic.ts";
import type { EmbedderSettings } from "./adapters/embedder-settings.ts";
import { type Endpoint, NO_KEY } from "./adapters/endpoint.ts";
import { gemini } from "./adapters/gemini.ts";
import { geminiEmbedder } from "./adapters/gemini-embedder.ts";
import { openAi } from "./adapters/openai.ts";
import { openAiEmbedder } from "./adapters/openai-embedder.ts";
import {
  checkProvider,
  checkUrl,
  isChatModels,
  kindOf,
  type ProviderKind,
  refuse,
} from "./provider-options.ts";

/** What the environment says of providers: see `llmEnvironment()` in src/environment.ts. */
export type LlmEnvironment = Readonly<Record<string, string | undefined>>;

/** A provider whose models can be called. Its SDK is loaded by the first call. */
export interface Provider {
  readonly name: string;
  /** "custom": `ChatModels` of the user's own. */
  readonly kind: ProviderKind | "custom";
  readonly models: ChatModels;
  /** Makes embedders; absent where the provider has none. */
  readonly embedder?: ((settings: EmbedderSettings) => Embedder) | undefined;
  /** The embedding model of requests that name none. */
  readonly embedModel?: string | undefined;
}

interface Vendor {
  readonly keys: readonly string[];
  readonly urls: readonly string[];
  readonly baseUrl: string;
}

const VENDORS: Readonly<Record<"openai" | "anthropic" | "gemini", Vendor>> = {
  openai: { keys: ["OPENAI_API_KEY"], urls: ["OPENAI_BASE_URL"], baseUrl: "https://api.openai.com/v1" },
  anthropic: {
    keys: ["ANTHROPIC_API_KEY"],
    urls: ["ANTHROPIC_BASE_URL"],
    baseUrl: "https://api.anthropic.com",
  },
  gemini: {
    keys: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    urls: ["GOOGLE_GEMINI_BASE_URL"],
    baseUrl: "https://generativelanguage.googleapis.com",
  },
};

const DEFAULTS = ["openai", "anthropic", "gemini"] as const;

/**
 * The providers that can be called, in the order of preference: those of the options, then those of OpenAI, Anthropic
 * and Gemini that the options do not name and whose key is in the environment. Having none is no error here.
 * @param env names and values as in process.env
 * @throws INVALID_INPUT if an option makes no sense
 */
export function readProviders(
  options: LlmOptions | undefined,
  env: LlmEnvironment,
  log: Logger,
): readonly Provider[] {
  const given: unknown = options?.providers ?? {};
  if (!isObject(given)) {
    refuse("llm.providers must be an object of providers by name");
  }
  const names = [...Object.keys(given), ...DEFAULTS.filter((name) => !Object.hasOwn(given, name))];
  const all: Provider[] = [];
  for (const name of names) {
    const entry: unknown = given[name] === undefined ? {} : given[name];
    if (entry === false) {
      continue;
    }
    checkProvider(name, entry);
    const provider = isChatModels(entry)
      ? ({ name, kind: "custom", models: entry } as const)
      : makeProvider(name, entry as ProviderOptions, { env, log });
    if (provider) {
      all.push(provider);
    }
  }
  return all;
}

interface Surroundings {
  readonly env: LlmEnvironment;
  readonly log: Logger;
}

/** @returns undefined if there is no key for it */
function makeProvider(
  name: string,
  options: ProviderOptions,
  { env, log }: Surroundings,
): Provider | undefined {
  const kind = kindOf(name, options);
  const vendor = kind === "openai-compatible" ? undefined : VENDORS[kind];
  if (options.api !== undefined && kind !== "openai" && kind !== "openai-compatible") {
    refuse(`llm.providers.${name}.api is of OpenAI's kinds only; this one is of kind "${kind}"`);
  }
  if (!vendor && options.baseUrl === undefined) {
    refuse(
      `llm.providers.${name} is of kind "openai-compatible" and needs a baseUrl, such as http://localhost:11434/v1`,
    );
  }
  const fromEnv = options.baseUrl === undefined ? firstOf(vendor?.urls ?? [], env) : undefined;
  if (fromEnv) {
    checkUrl(fromEnv.value, fromEnv.name);
  }
  const apiKey = options.apiKey ?? firstOf(vendor?.keys ?? [], env)?.value ?? keyless(options);
  if (apiKey === undefined) {
    return undefined;
  }
  const baseUrl = tidyUrl(options.baseUrl ?? fromEnv?.value ?? vendor?.baseUrl ?? "", kind);
  if (fromEnv) {
    log.info(
      { provider: name, host: new URL(baseUrl).host },
      `calls go to the host that ${fromEnv.name} names`,
    );
  }
  const endpoint: Endpoint = {
    provider: name,
    apiKey,
    baseUrl,
    headers: options.headers ?? {},
    fetch: options.fetch,
  };
  return { name, kind, models: modelsOf(kind, endpoint, options.api), ...embeddingOf(kind, endpoint) };
}

/** Anthropic has no models that embed; which ones a server of the user's has nobody knows. */
function embeddingOf(kind: ProviderKind, endpoint: Endpoint): Pick<Provider, "embedder" | "embedModel"> {
  switch (kind) {
    case "anthropic":
      return {};
    case "gemini":
      return {
        embedder: (settings) => geminiEmbedder(endpoint, settings),
        embedModel: "gemini-embedding-001",
      };
    case "openai":
      return {
        embedder: (settings) => openAiEmbedder(endpoint, settings),
        embedModel: "text-embedding-3-small",
      };
    case "openai-compatible":
      return { embedder: (settings) => openAiEmbedder(endpoint, settings) };
  }
}

/** Servers of one's own often want no key. */
function keyless({ baseUrl }: ProviderOptions): string | undefined {
  return baseUrl === undefined ? undefined : NO_KEY;
}

function modelsOf(kind: ProviderKind, endpoint: Endpoint, api: ProviderOptions["api"]): ChatModels {
  switch (kind) {
    case "anthropic":
      return anthropic(endpoint);
    case "gemini":
      return gemini(endpoint);
    case "openai":
    case "openai-compatible":
      return openAi(endpoint, api);
  }
}

function firstOf(names: readonly string[], env: LlmEnvironment): { name: string; value: string } | undefined {
  return names.flatMap((name) => {
    const value = env[name]?.trim();
    return value ? [{ name, value }] : [];
  })[0];
}

/** Without a slash at the end; Anthropic's SDK adds the version itself. */
function tidyUrl(url: string, kind: ProviderKind): string {
  const tidy = url.trim().replace(/\/+$/, "");
  return kind === "anthropic" ? tidy.replace(/\/v1$/, "") : tidy;
}
