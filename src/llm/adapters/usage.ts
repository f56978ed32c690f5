import type { TokenUsage } from "../../core/model.ts";
import { count, object, type Wire } from "./wire.ts";

/** Null where the provider gave no numbers: a call never used nothing. */
function said(usage: Omit<TokenUsage, "estimated">): TokenUsage | null {
  return usage.inputTokens === 0 && usage.outputTokens === 0 ? null : { ...usage, estimated: false };
}

export function usageOfResponses(usage: Wire): TokenUsage | null {
  const input = object(usage.input_tokens_details);
  return said({
    inputTokens: count(usage.input_tokens),
    cacheReadTokens: count(input.cached_tokens),
    cacheWriteTokens: count(input.cache_write_tokens),
    cacheWrite1hTokens: 0,
    outputTokens: count(usage.output_tokens),
    reasoningTokens: count(object(usage.output_tokens_details).reasoning_tokens),
  });
}

export function usageOfChat(usage: Wire): TokenUsage | null {
  const input = object(usage.prompt_tokens_details);
  return said({
    inputTokens: count(usage.prompt_tokens),
    cacheReadTokens: count(input.cached_tokens),
    cacheWriteTokens: count(input.cache_write_tokens),
    cacheWrite1hTokens: 0,
    outputTokens: count(usage.completion_tokens),
    reasoningTokens: count(object(usage.completion_tokens_details).reasoning_tokens),
  });
}

/** Anthropic's input_tokens leave out what has to do with the cache; ours do not. */
export function usageOfAnthropic(usage: Wire): TokenUsage | null {
  const cacheReadTokens = count(usage.cache_read_input_tokens);
  const cacheWriteTokens = count(usage.cache_creation_input_tokens);
  return said({
    inputTokens: count(usage.input_tokens) + cacheReadTokens + cacheWriteTokens,
    cacheReadTokens,
    cacheWriteTokens,
    cacheWrite1hTokens: count(object(usage.cache_creation).ephemeral_1h_input_tokens),
    outputTokens: count(usage.output_tokens),
    reasoningTokens: count(object(usage.output_tokens_details).thinking_tokens),
  });
}

/** Gemini's candidates leave out the thoughts; our output does not. */
export function usageOfGemini(usage: Wire): TokenUsage | null {
  const reasoningTokens = count(usage.thoughtsTokenCount);
  return said({
    inputTokens: count(usage.promptTokenCount) + count(usage.toolUsePromptTokenCount),
    cacheReadTokens: count(usage.cachedContentTokenCount),
    cacheWriteTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens: count(usage.candidatesTokenCount) + reasoningTokens,
    reasoningTokens,
  });
}

export function sumUsage(a: TokenUsage | null, b: TokenUsage | null): TokenUsage | null {
  if (!a || !b) {
    return a ?? b;
  }
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    cacheWrite1hTokens: a.cacheWrite1hTokens + b.cacheWrite1hTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    estimated: a.estimated || b.estimated,
  };
}
