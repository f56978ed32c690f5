import { v7 as newId } from "uuid";
import type { EmbedAnswer, Embedder, EmbedPurpose } from "../core/embedding.ts";
import { isGoalpostError } from "../core/errors.ts";
import type { CallOutcome, PlannedCall, Price, ReserveAnswer } from "../core/ledger.ts";
import { ModelError, type TokenUsage } from "../core/model.ts";
import type { LlmCallContext } from "../core/model-calls.ts";
import { normalised, problemOfVectors } from "../core/vectors.ts";
import { DEFAULT_CALL_TIMEOUT_MS, finalError, tryModel } from "./ask-models.ts";
import { FREE, isModelError, makeRoom, NOTHING, outcomeOf, reserve, withinTime } from "./call-model.ts";
import { estimateTokens } from "./estimate.ts";
import type { LlmParts } from "./llm-parts.ts";
import { plainUsage, type UsageTally } from "./token-usage.ts";

/** One batch of texts for one embedder. */
export interface EmbedAsk {
  readonly embedder: Embedder;
  readonly texts: readonly string[];
  readonly purpose: EmbedPurpose;
  readonly ctx: LlmCallContext;
  readonly tally: UsageTally;
}

/**
 * Embeds one batch: each try reserved on the ledger before and settled after, tried again as calls of models are. What is
 * made in this process for nothing, outside of runs, is written down once, when it is over.
 * @returns vectors of length 1 in the order of the texts
 * @throws PROVIDER_ERROR, BUDGET_EXCEEDED, NO_PROVIDER, or the signal's reason
 */
export async function askEmbedder(parts: LlmParts, ask: EmbedAsk): Promise<readonly (readonly number[])[]> {
  const { provider, model } = ask.embedder;
  const candidate = { provider: { name: provider }, model };
  const call = (): Promise<readonly (readonly number[])[]> => callEmbedder(parts, ask);
  const answer = await tryModel(parts, { candidate, isLast: true, call }, { limits: {}, ctx: ask.ctx });
  if ("error" in answer) {
    throw finalError([answer]);
  }
  return answer;
}

async function callEmbedder(parts: LlmParts, ask: EmbedAsk): Promise<readonly (readonly number[])[]> {
  const { embedder, texts, purpose, ctx } = ask;
  const planned = plan(parts, ask);
  // Within a run there may be budgets, which come before the work.
  const isFree = embedder.isFree === true && planned.costNanoUsd === 0n && ctx.scope.runId === null;
  if (!isFree) {
    await reserve(parts, ctx, planned);
  }
  const settle = (outcome: CallOutcome): Promise<void> =>
    isFree ? record(parts, { ctx, planned, outcome }) : parts.settlements.settle(outcome);
  let answer: EmbedAnswer;
  try {
    const limits = { timeoutMs: DEFAULT_CALL_TIMEOUT_MS, ctx };
    answer = await withinTime(parts.clock, limits, (signal, timeoutMs) =>
      embedder.embed({ texts, purpose, signal, timeoutMs, callId: planned.callId }),
    );
  } catch (error) {
    await settleFailed({ ask, planned, error, settle });
    throw error;
  }
  await settleAnswered(parts, { ask, planned, answer, settle });
  return readVectors(ask, answer);
}

/** Writes down what cost nothing. Only what succeeded waits for room: the other's error is what the caller is to hear of. */
async function record(
  parts: LlmParts,
  { ctx, planned, outcome }: { ctx: LlmCallContext; planned: PlannedCall; outcome: CallOutcome },
): Promise<void> {
  const ask = (): Promise<ReserveAnswer> => parts.ledger.record(planned, outcome);
  if (outcome.status === "ok") {
    await makeRoom(parts, ctx, { planned, ask });
    return;
  }
  try {
    await ask();
  } catch (error) {
    parts.logger.warn({ callId: planned.callId, error: String(error) }, "a call could not be written down");
  }
}

function plan(parts: LlmParts, { embedder, texts, ctx }: EmbedAsk): PlannedCall {
  const ref = { provider: embedder.provider, model: embedder.model };
  const inputTokens = texts.reduce((sum, text) => sum + estimateTokens(text), 0);
  return {
    ...ref,
    callId: newId(),
    requestId: ctx.requestId,
    kind: "embedding",
    scope: ctx.scope,
    inputTokens,
    outputTokens: 0,
    costNanoUsd: priceOf(parts, embedder, { usage: plainUsage(inputTokens, 0, true) }).costNanoUsd,
    budget: undefined,
  };
}

/** What runs in this process costs nothing, unless the user says otherwise. */
function priceOf({ prices }: LlmParts, embedder: Embedder, spent: Spent): Price {
  return prices.price(embedder, spent.usage, embedder.isFree ? 0 : spent.costUsd);
}

interface Spent {
  readonly usage: TokenUsage;
  /** As the provider says. */
  readonly costUsd?: number | null | undefined;
}

interface Ended {
  readonly ask: EmbedAsk;
  readonly planned: PlannedCall;
  /** Brings the outcome into the ledger. */
  readonly settle: (outcome: CallOutcome) => Promise<void>;
}

async function settleAnswered(
  parts: LlmParts,
  { ask, planned, answer, settle }: Ended & { readonly answer: EmbedAnswer },
): Promise<void> {
  const { inputTokens } = answer;
  const usage = plainUsage(inputTokens ?? planned.inputTokens, 0, inputTokens === null);
  const price = priceOf(parts, ask.embedder, { usage, costUsd: answer.costUsd });
  ask.tally.add(usage, price.costNanoUsd);
  await settle({
    ...outcomeOf(planned, { firstTextMs: null }, { usage, price }),
    status: "ok",
    servedModel: answer.servedModel ?? ask.embedder.model,
    requestId: answer.requestId ?? null,
  });
}

async function settleFailed({
  ask,
  planned,
  error,
  settle,
}: Ended & { readonly error: unknown }): Promise<void> {
  const failure = isModelError(error) ? error : undefined;
  const isUnbilled = ask.embedder.isFree || failure?.mayBeBilled === false;
  const usage = isUnbilled ? NOTHING : null;
  ask.tally.add(
    usage ?? plainUsage(planned.inputTokens, 0, true),
    isUnbilled ? FREE.costNanoUsd : planned.costNanoUsd,
  );
  await settle({
    ...outcomeOf(planned, { firstTextMs: null }, { usage, price: isUnbilled ? FREE : null }),
    status: failure ? "error" : "aborted",
    errorKind: failure?.kind ?? (isGoalpostError(error) ? error.code : "aborted"),
    requestId: failure?.requestId ?? null,
  });
}

/** @throws ModelError for an answer that is none */
function readVectors(
  { embedder, texts }: EmbedAsk,
  { vectors, requestId }: EmbedAnswer,
): readonly (readonly number[])[] {
  const { provider, model, dimensions } = embedder;
  const problem = problemOfVectors(vectors, { texts: texts.length, dimensions });
  if (problem) {
    const kind = problem.isOfModel ? "bad_request" : "malformed";
    throw new ModelError(kind, `${provider}, model "${model}", ${problem.message}`, {
      requestId,
      mayBeBilled: true,
    });
  }
  return vectors.map((vector) => normalised(vector));
}
