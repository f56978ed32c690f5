import type { LlmMessage } from "../../src/core/llm.ts";
import type { ProviderOptions } from "../../src/core/llm-options.ts";
import { silentLogger } from "../../src/core/logger.ts";
import {
  type ChatModels,
  type ModelCallContext,
  ModelError,
  type ModelRequest,
  type ModelResponse,
  type TokenUsage,
} from "../../src/core/model.ts";
import { readProviders } from "../../src/llm/providers.ts";
import type { Vendor } from "./servers/model-server.ts";

export const KEY = "sk-test-0123456789abcdef";

/** The models of one provider, as options and an empty environment make them. */
export function modelsAt(vendor: Vendor, baseUrl: string, more: ProviderOptions = {}): ChatModels {
  const options: ProviderOptions = {
    apiKey: KEY,
    baseUrl,
    ...(vendor === "openai-responses" ? { kind: "openai", api: "responses" } : {}),
    ...(vendor === "openai-chat" ? { kind: "openai-compatible", api: "chat" } : {}),
    ...(vendor === "anthropic" || vendor === "gemini" ? { kind: vendor } : {}),
    ...more,
  };
  const all = readProviders({ providers: { theirs: options } }, {}, silentLogger);
  const [first] = all;
  if (!first) {
    throw new Error("no provider");
  }
  return first.models;
}

export interface Called {
  readonly response: ModelResponse;
  readonly usages: readonly TokenUsage[];
  readonly texts: readonly string[];
}

export interface Failed {
  readonly error: ModelError;
  readonly usages: readonly TokenUsage[];
  readonly texts: readonly string[];
}

export interface CallOptions {
  readonly streamed?: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onText?: (text: string) => void;
}

export type RequestWords = Partial<Omit<ModelRequest, "messages">> & {
  readonly messages?: readonly LlmMessage[];
};

export function requestOf(words: RequestWords = {}): ModelRequest {
  return { model: "a-model", messages: [{ role: "user", content: "Hello" }], maxOutputTokens: 300, ...words };
}

function contextOf(options: CallOptions, usages: TokenUsage[], texts: string[]): ModelCallContext {
  const onText = (text: string): void => {
    texts.push(text);
    options.onText?.(text);
  };
  return {
    signal: options.signal ?? new AbortController().signal,
    timeoutMs: options.timeoutMs ?? 10_000,
    callId: "call-id-1",
    ...(options.streamed ? { onText } : {}),
    onUsage: (usage) => usages.push(usage),
  };
}

export async function call(
  models: ChatModels,
  words: RequestWords = {},
  options: CallOptions = {},
): Promise<Called> {
  const usages: TokenUsage[] = [];
  const texts: string[] = [];
  const response = await models.generate(requestOf(words), contextOf(options, usages, texts));
  return { response, usages, texts };
}

/** A call that is expected to fail. */
export async function fail(
  models: ChatModels,
  words: RequestWords = {},
  options: CallOptions = {},
): Promise<Failed> {
  const usages: TokenUsage[] = [];
  const texts: string[] = [];
  try {
    await models.generate(requestOf(words), contextOf(options, usages, texts));
  } catch (error) {
    if (error instanceof ModelError) {
      return { error, usages, texts };
    }
    throw error;
  }
  throw new Error("the call was expected to fail");
}
