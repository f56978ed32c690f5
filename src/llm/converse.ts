import type { LlmResult } from "../core/llm.ts";
import type { LlmCallContext } from "../core/model-calls.ts";
import type { RouteOutcome } from "../core/model-routing.ts";
import type { ChosenModels } from "./choose-models.ts";
import { type CompiledRequest, Conversation } from "./conversation.ts";
import type { LlmParts } from "./llm-parts.ts";
import type { UsageTally } from "./token-usage.ts";

/** What is asked of whom. */
export interface Exchange {
  readonly compiled: CompiledRequest;
  readonly ctx: LlmCallContext;
  readonly chosen: ChosenModels;
  readonly tally?: UsageTally | undefined;
  readonly prefix?: string | undefined;
}

/** An answer, or why there is none, and what was learned of the models on the way. */
export interface Exchanged {
  readonly result: LlmResult | undefined;
  readonly error: unknown;
  readonly outcomes: readonly RouteOutcome[];
}

/** Holds a conversation to its end. Never throws. */
export async function converse(parts: LlmParts, exchange: Exchange): Promise<Exchanged> {
  const { compiled, ctx, chosen, tally, prefix } = exchange;
  const { candidates } = chosen;
  const conversation = new Conversation(parts, compiled, { candidates, ctx, tally, prefix });
  let result: LlmResult | undefined;
  let error: unknown;
  try {
    result = await conversation.run();
  } catch (thrown) {
    error = thrown;
  }
  return { result, error, outcomes: outcomesOf(conversation, exchange) };
}

/** Asks, and has it noted what came of it. @throws what the conversation throws */
export async function converseOnce(parts: LlmParts, exchange: Exchange): Promise<LlmResult> {
  const { result, error, outcomes } = await converse(parts, exchange);
  parts.routing?.record(outcomes);
  if (!result) {
    throw error;
  }
  return result;
}

function outcomesOf(conversation: Conversation, { ctx, chosen }: Exchange): RouteOutcome[] {
  const { requestId, scope } = ctx;
  const { kind, draw } = chosen;
  return conversation.trail.judge(conversation.end).map((judged) => {
    const drawn =
      draw?.model.provider === judged.model.provider && draw.model.model === judged.model.model
        ? draw.choice
        : null;
    return {
      ...judged,
      requestId,
      kind,
      runId: scope.runId,
      draw: drawn && { propensity: drawn.propensity, explored: drawn.explored },
      verdict: null,
    };
  });
}
