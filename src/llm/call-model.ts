import { v7 as newId } from "uuid";
import type { Clock } from "../core/clock.ts";
import { GoalpostError, isGoalpostError } from "../core/errors.ts";
import type { CallOutcome, ExceededBudget, PlannedCall, Price, ReserveAnswer } from "../core/ledger.ts";
import type { Budget } from "../core/llm.ts";
import { ModelError, type ModelRequest, type ModelResponse, type TokenUsage } from "../core/model.ts";
import type { LlmCallContext } from "../core/model-calls.ts";
import type { CallTrail } from "./call-trail.ts";
import { estimateCall, estimateUsage } from "./estimate.ts";
import { type Candidate, IN_PLACE_MS, type LlmParts } from "./llm-parts.ts";
import { limited, sleep } from "./sleep.ts";
import { plainUsage, type UsageTally } from "./token-usage.ts";

/** How long a task stands back whose run a budget has paused. */
const PAUSED_MS = 1000;

/** One call of one model. */
export interface ModelCall extends Candidate {
  readonly request: ModelRequest;
  readonly timeoutMs: number;
  readonly budget: Budget | undefined;
  readonly onText: ((text: string) => void) | undefined;
  readonly tally: UsageTally;
  readonly trail: CallTrail;
  readonly ctx: LlmCallContext;
}

/** What was learned of a call while it went on. */
interface Progress {
  usage: TokenUsage | null;
  text: string;
  firstTextMs: number | null;
}

/**
 * Makes one call: reserved on the ledger before, settled after, however it ends, and before anything of the answer is
 * looked at.
 * @throws ModelError, BUDGET_EXCEEDED, or the signal's reason
 */
export async function callModel(parts: LlmParts, call: ModelCall): Promise<ModelResponse> {
  const planned = plan(parts, call);
  await reserve(parts, call.ctx, planned);
  const startedAt = parts.clock.now();
  const progress: Progress = { usage: null, text: "", firstTextMs: null };
  let response: ModelResponse;
  try {
    response = await generate(parts, { call, callId: planned.callId, progress });
  } catch (error) {
    await settleFailed(parts, { call, planned, progress, error });
    throw error;
  }
  await settleAnswered(parts, { call, planned, progress, response, startedAt });
  return response;
}

function plan(parts: LlmParts, { provider, request, budget, ctx }: ModelCall): PlannedCall {
  const ref = { provider: provider.name, model: request.model };
  const { inputTokens, outputTokens } = estimateCall(request);
  return {
    ...ref,
    callId: newId(),
    requestId: ctx.requestId,
    kind: "chat",
    scope: ctx.scope,
    inputTokens,
    outputTokens,
    costNanoUsd: parts.prices.price(ref, plainUsage(inputTokens, outputTokens, true)).costNanoUsd,
    budget,
  };
}

/**
 * Waits until the ledger has room for a call, and reserves it.
 * @throws BUDGET_EXCEEDED, ModelError, or the signal's reason
 */
export function reserve(parts: LlmParts, ctx: LlmCallContext, planned: PlannedCall): Promise<void> {
  return makeRoom(parts, ctx, { planned, ask: () => parts.ledger.reserve(planned) });
}

/** Waits until the ledger has room. @param room how it is asked for, and for what */
export async function makeRoom(
  parts: LlmParts,
  ctx: LlmCallContext,
  { planned, ask }: { readonly planned: PlannedCall; readonly ask: () => Promise<ReserveAnswer> },
): Promise<void> {
  for (let waitedMs = 0; ; ) {
    ctx.signal.throwIfAborted();
    const answer = await ask();
    if (answer.outcome === "reserved") {
      return;
    }
    if (answer.outcome === "exceeded") {
      await standBack(ctx, answer.budget);
      throw exceeded(answer.budget);
    }
    const { waitMs } = answer;
    if (ctx.deadlineAt !== null && parts.clock.now() + waitMs > ctx.deadlineAt) {
      throw new ModelError("rate_limited", `the shared rate limit has room in ${Math.ceil(waitMs)} ms only`, {
        retryAfterMs: waitMs,
      });
    }
    waitedMs += waitMs;
    if (waitedMs > IN_PLACE_MS) {
      const reason = `the rate limit of ${planned.provider} ${planned.model}`;
      await ctx.task?.release?.(waitMs, reason, { counted: false });
    }
    await sleep(parts.clock, waitMs, ctx.signal);
  }
}

/** A task whose run was paused by its budget is called again when that is raised. */
async function standBack({ task }: LlmCallContext, budget: ExceededBudget): Promise<void> {
  if (budget.onExceed === "pause") {
    await task?.release?.(PAUSED_MS, `the ${budget.unit} budget of ${budget.of} ${budget.key}`, {
      counted: false,
    });
  }
}

function exceeded({ onExceed: _, ...budget }: ExceededBudget): GoalpostError {
  const { of, key, unit, limit, used, asked } = budget;
  return new GoalpostError(
    "BUDGET_EXCEEDED",
    `the call was not made: the budget of ${of} ${key} is ${limit} ${unit}, ${used} are spent or reserved, and it ` +
      `may need ${asked} more. Raise the budget, or ask for less (maxOutputTokens, a cheaper model).`,
    { details: budget },
  );
}

async function generate(
  parts: LlmParts,
  { call, callId, progress }: { call: ModelCall; callId: string; progress: Progress },
): Promise<ModelResponse> {
  const { provider, request } = call;
  const { clock } = parts;
  const startedAt = clock.now();
  const tell = (text: string): void => {
    progress.firstTextMs ??= clock.now() - startedAt;
    progress.text += text;
    call.onText?.(text);
  };
  return withinTime(clock, call, (signal, timeoutMs) =>
    provider.models.generate(request, {
      signal,
      timeoutMs,
      callId,
      ...(call.onText && { onText: tell }),
      onUsage: (usage) => {
        progress.usage = usage;
      },
    }),
  );
}

/**
 * Calls an adapter with the time that is left.
 * @throws ModelError, or the signal's reason
 */
export async function withinTime<T>(
  clock: Clock,
  { timeoutMs, ctx }: { readonly timeoutMs: number; readonly ctx: LlmCallContext },
  work: (signal: AbortSignal, timeoutMs: number) => Promise<T>,
): Promise<T> {
  const ms = Math.max(0, Math.min(timeoutMs, (ctx.deadlineAt ?? Infinity) - clock.now()));
  const late = (): Error =>
    new ModelError("timeout", `there was no answer within ${ms} ms`, { mayBeBilled: true });
  try {
    return await limited({ clock, signal: ctx.signal, ms, late }, async (signal) => work(signal, ms));
  } catch (error) {
    throw ctx.signal.aborted ? ctx.signal.reason : toModelError(error);
  }
}

/** What an adapter throws that is no ModelError is no answer, either; its message may hold anything. */
function toModelError(error: unknown): ModelError {
  if (isModelError(error) && error.kind !== "aborted") {
    return error;
  }
  const name = error instanceof Error ? error.name : typeof error;
  const message = isModelError(error) ? "the call was aborted on its way" : `the adapter threw ${name}`;
  return new ModelError("network", message, { mayBeBilled: true, cause: error });
}

/** True for those of other copies of the library as well. */
export function isModelError(error: unknown): error is ModelError {
  return error instanceof Error && error.name === "ModelError" && "kind" in error;
}

interface Answered {
  readonly call: ModelCall;
  readonly planned: PlannedCall;
  readonly progress: Progress;
  readonly response: ModelResponse;
  readonly startedAt: number;
}

async function settleAnswered(
  parts: LlmParts,
  { call, planned, progress, response, startedAt }: Answered,
): Promise<void> {
  const text = response.text + JSON.stringify(response.toolCalls);
  const usage = response.usage ?? progress.usage ?? estimateUsage(call.request, text);
  const price = parts.prices.price(planned, usage, response.costUsd);
  const durationMs = parts.clock.now() - startedAt;
  call.tally.add(usage, price.costNanoUsd);
  call.trail.called(planned, { usage, costNanoUsd: price.costNanoUsd, durationMs });
  await parts.settlements.settle({
    ...outcomeOf(planned, progress, { usage, price }),
    status: "ok",
    servedModel: response.model,
    finishReason: response.finishReason,
    requestId: response.requestId,
    responseId: response.responseId,
  });
}

interface Failed {
  readonly call: ModelCall;
  readonly planned: PlannedCall;
  readonly progress: Progress;
  readonly error: unknown;
}

async function settleFailed(parts: LlmParts, { call, planned, progress, error }: Failed): Promise<void> {
  const failure = isModelError(error) ? error : undefined;
  const usage = usedSoFar(call, progress) ?? (failure?.mayBeBilled === false ? NOTHING : null);
  const price = usage === NOTHING ? FREE : usage && parts.prices.price(planned, usage);
  const used = usage ?? plainUsage(planned.inputTokens, planned.outputTokens, true);
  const costNanoUsd = price ? price.costNanoUsd : planned.costNanoUsd;
  call.tally.add(used, costNanoUsd);
  call.trail.called(planned, { usage: used, costNanoUsd, durationMs: null });
  await parts.settlements.settle({
    ...outcomeOf(planned, progress, { usage, price }),
    status: failure ? "error" : "aborted",
    errorKind: failure?.kind ?? (isGoalpostError(error) ? error.code : "aborted"),
    requestId: failure?.requestId ?? null,
  });
}

export const NOTHING: TokenUsage = plainUsage(0, 0, false);
export const FREE: Price = { costNanoUsd: 0n, priceSource: "provider", unitPrices: null };

/** What a call used that failed: as the provider told, and what it wrote since. Null if it told nothing. */
function usedSoFar({ request }: ModelCall, { usage, text }: Progress): TokenUsage | null {
  const written = estimateUsage(request, text).outputTokens;
  return usage && written > usage.outputTokens ? { ...usage, outputTokens: written, estimated: true } : usage;
}

/** What is told of any call that ended. */
export function outcomeOf(
  { callId }: PlannedCall,
  { firstTextMs }: Pick<Progress, "firstTextMs">,
  { usage, price }: { usage: TokenUsage | null; price: Price | null },
): Omit<CallOutcome, "status"> {
  return {
    callId,
    usage,
    costNanoUsd: price?.costNanoUsd ?? null,
    priceSource: price?.priceSource ?? "estimate",
    unitPrices: price?.unitPrices ?? null,
    servedModel: null,
    finishReason: null,
    errorKind: null,
    requestId: null,
    responseId: null,
    firstTextMs,
  };
}
