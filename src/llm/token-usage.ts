import type { TokenUsage } from "../core/model.ts";
import type { Usage } from "../core/usage.ts";

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
