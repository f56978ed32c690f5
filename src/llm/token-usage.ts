import type { ModelRequest, TokenUsage } from "../core/model.ts";
import type { Usage } from "../core/usage.ts";

const ASCII_PER_TOKEN = 4;
const TOKENS_PER_MESSAGE = 4;
/** What is reserved shall be enough. */
const MARGIN = 1.25;

/** Tokens of a text, by rule of thumb: four letters each, one for every character that is not ASCII. */
export function countTokens(text: string): number {
  let other = 0;
  for (let i = 0; i < text.length; i++) {
    other += text.charCodeAt(i) > 127 ? 1 : 0;
  }
  return Math.ceil((text.length - other) / ASCII_PER_TOKEN) + other;
}

/** Tokens of a request's input, by rule of thumb. */
export function countInput({ messages, schema, tools }: ModelRequest): number {
  const rest = JSON.stringify([schema?.json, tools, messages.map((message) => message.toolCalls)]);
  const texts = messages.map(({ content }) => countTokens(content) + TOKENS_PER_MESSAGE);
  return texts.reduce((sum, tokens) => sum + tokens, countTokens(rest));
}

/** Input tokens to reserve. */
export function inputAtMost(request: ModelRequest): number {
  return Math.ceil(MARGIN * countInput(request));
}

/** Usage of which only input and output are known. */
export function plainUsage(inputTokens: number, outputTokens: number, estimated: boolean): TokenUsage {
  return {
    inputTokens,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens,
    reasoningTokens: 0,
    estimated,
  };
}

/** What the calls of one request used so far, in this process. */
export class UsageTally {
  #calls = 0;
  #nanoUsd: bigint | null = 0n;
  #sum: TokenUsage = plainUsage(0, 0, false);

  /** @param costNanoUsd null if the price is unknown */
  add(usage: TokenUsage, costNanoUsd: bigint | null): void {
    const sum = this.#sum;
    this.#calls += 1;
    this.#nanoUsd = this.#nanoUsd === null || costNanoUsd === null ? null : this.#nanoUsd + costNanoUsd;
    this.#sum = {
      inputTokens: sum.inputTokens + usage.inputTokens,
      cacheReadTokens: sum.cacheReadTokens + usage.cacheReadTokens,
      cacheWriteTokens: sum.cacheWriteTokens + usage.cacheWriteTokens,
      cacheWrite1hTokens: sum.cacheWrite1hTokens + usage.cacheWrite1hTokens,
      outputTokens: sum.outputTokens + usage.outputTokens,
      reasoningTokens: sum.reasoningTokens + usage.reasoningTokens,
      estimated: sum.estimated || usage.estimated,
    };
  }

  get usage(): Usage {
    const { cacheWrite1hTokens: _, ...sum } = this.#sum;
    return {
      ...sum,
      calls: this.#calls,
      costUsd: this.#nanoUsd === null ? null : Number(this.#nanoUsd) / 1e9,
    };
  }
}
