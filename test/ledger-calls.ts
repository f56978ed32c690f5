import { randomUUID } from "node:crypto";
import type { CallOutcome, CallScope, PlannedCall } from "../src/core/ledger.ts";
import type { TokenUsage } from "../src/core/model.ts";

/** Nano-USD of a cent. */
export const CENT = 10_000_000n;

/** On nobody's account but the instance's. */
export const FREE: CallScope = {
  runId: null,
  workflow: null,
  position: null,
  taskId: null,
  item: null,
  attempt: 1,
  instance: "test",
  labels: null,
};

/** The scope of a task's call. */
export function scopeOf(runId: string, more: Partial<CallScope> = {}): CallScope {
  return { ...FREE, runId, workflow: "w", position: 0, taskId: "a", ...more };
}

/** A call of 100 tokens in and 100 out, for a cent. */
export function call(more: Partial<PlannedCall> = {}): PlannedCall {
  const callId = more.callId ?? randomUUID();
  return {
    callId,
    requestId: callId,
    kind: "chat",
    provider: "acme",
    model: "large",
    scope: FREE,
    inputTokens: 100,
    outputTokens: 100,
    costNanoUsd: CENT,
    budget: undefined,
    ...more,
  };
}

export function tokens(more: Partial<TokenUsage> = {}): TokenUsage {
  return {
    inputTokens: 100,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens: 100,
    reasoningTokens: 0,
    estimated: false,
    ...more,
  };
}

/** It went as it was planned, unless the test says otherwise. */
export function outcome(callId: string, more: Partial<CallOutcome> = {}): CallOutcome {
  return {
    callId,
    status: "ok",
    usage: tokens(),
    costNanoUsd: CENT,
    priceSource: "catalogue",
    unitPrices: { input: 1, output: 2 },
    servedModel: "large-1",
    finishReason: "stop",
    errorKind: null,
    requestId: "req_1",
    responseId: "resp_1",
    firstTextMs: null,
    ...more,
  };
}
