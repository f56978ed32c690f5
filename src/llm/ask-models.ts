import { GoalpostError } from "../core/errors.ts";
import type { LlmRequest, ModelRef } from "../core/llm.ts";
import { ModelError, type ModelErrorKind, type ModelRequest, type ModelResponse } from "../core/model.ts";
import type { LlmCallContext } from "../core/model-calls.ts";
import { type RetryPolicy, retryDelayMs } from "../core/retry.ts";
import { callModel, isModelError } from "./call-model.ts";
import type { CallTrail } from "./call-trail.ts";
import { type Candidate, IN_PLACE_MS, type LlmParts } from "./llm-parts.ts";
import { sleep } from "./sleep.ts";
import type { UsageTally } from "./token-usage.ts";

export const DEFAULT_TRIES = 3;
export const DEFAULT_CALL_TIMEOUT_MS = 120_000;

const BACKOFF: RetryPolicy = { baseMs: 1000, factor: 2, maxDelayMs: 8000, jitter: true };
/** Outside of tasks nobody waits longer than this for a provider that asks for patience. */
const MAX_SLEEP_MS = 60_000;
const MAX_REASON_LENGTH = 300;

/** What is asked, of each model in its own way. */
export interface Ask {
  readonly limits: Pick<LlmRequest, "timeoutMs" | "maxAttempts" | "budget" | "onText">;
  readonly request: (candidate: Candidate) => ModelRequest;
  readonly ctx: LlmCallContext;
  readonly tally: UsageTally;
  readonly trail: CallTrail;
}

/** An answer, and which of the candidates gave it. */
export interface Answer {
  readonly response: ModelResponse;
  readonly index: number;
}

/** Tried again with the same model: the next call may fare better. */
const PASSING: ReadonlySet<ModelErrorKind> = new Set([
  "rate_limited",
  "overloaded",
  "server",
  "network",
  "timeout",
  "malformed",
]);
/** Another model may do what this one cannot. */
const ELSEWHERE: ReadonlySet<ModelErrorKind> = new Set([...PASSING, "not_found", "too_long", "refused"]);
/** Kinds after which all callers of the model should wait. */
const CROWDED: ReadonlySet<ModelErrorKind> = new Set(["rate_limited", "overloaded"]);
const MALFORMED_TRIES = 2;

/** What a call is made of by name: a model, or an embedder. */
interface Asked {
  readonly provider: { readonly name: string };
  readonly model: string;
}

/** How a model failed for good. */
export interface Failure {
  readonly candidate: Asked;
  readonly error: ModelError;
  readonly tries: number;
}

/** What a model said instead of an answer. */
class Refusal extends ModelError {
  readonly words: string | null;

  constructor({ finishReason, refusal, requestId }: ModelResponse) {
    const why = finishReason === "content_filter" ? "a content filter stopped it" : "the model refused";
    super("refused", why, { requestId, mayBeBilled: true });
    this.words = refusal;
  }
}

/**
 * Asks one model after the other until one answers; each is tried several times. A model that asks for a long wait is
 * left for the next one; the last one gives the slot back.
 * @throws PROVIDER_ERROR, RESPONSE_REFUSED, BUDGET_EXCEEDED, or the signal's reason
 */
export async function askModels(
  parts: LlmParts,
  candidates: readonly Candidate[],
  ask: Ask,
): Promise<Answer> {
  const failures: Failure[] = [];
  for (const [index, candidate] of candidates.entries()) {
    const isLast = index === candidates.length - 1;
    const call = (): Promise<ModelResponse> => answerOf(parts, candidate, ask);
    const answer = await tryModel(parts, { candidate, isLast, call }, ask);
    if (!("error" in answer)) {
      return { response: answer, index };
    }
    failures.push(answer);
    ask.trail.gaveUp(refOf(candidate), answer.error.kind);
    if (!ELSEWHERE.has(answer.error.kind)) {
      break;
    }
    if (!isLast) {
      const { provider, model } = candidate;
      const fields = { provider: provider.name, model, kind: answer.error.kind };
      parts.logger.warn(fields, "a model did not answer; the next one is asked");
    }
  }
  throw finalError(failures);
}

/** What is tried several times, and how patiently. */
interface Tried<T> {
  readonly candidate: Asked;
  /** Nobody else can be asked. */
  readonly isLast: boolean;
  readonly call: () => Promise<T>;
}

/** Calls a model until it answers, or fails for good. @throws what is no ModelError */
export async function tryModel<T extends object>(
  parts: LlmParts,
  { candidate, isLast, call }: Tried<T>,
  ask: Pick<Ask, "limits" | "ctx">,
): Promise<T | Failure> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!isModelError(error)) {
        throw error;
      }
      const waited = await beforeNextTry(parts, { candidate, error, tries, isLast }, ask);
      if (!waited) {
        return { candidate, error, tries };
      }
    }
  }
}

async function answerOf(parts: LlmParts, candidate: Candidate, ask: Ask): Promise<ModelResponse> {
  const { timeoutMs = DEFAULT_CALL_TIMEOUT_MS, budget, onText } = ask.limits;
  const { ctx, tally, trail } = ask;
  const request = ask.request(candidate);
  const call = { ...candidate, request, timeoutMs, budget, onText, ctx, tally, trail };
  const response = await callModel(parts, call);
  if (response.finishReason === "refusal" || response.finishReason === "content_filter") {
    throw new Refusal(response);
  }
  return response;
}

function refOf({ provider, model }: Candidate): ModelRef {
  return { provider: provider.name, model };
}

/** Waits for the next try; false if there is none. */
async function beforeNextTry(
  parts: LlmParts,
  { candidate, error, tries, isLast }: Failure & { readonly isLast: boolean },
  { limits, ctx }: Pick<Ask, "limits" | "ctx">,
): Promise<boolean> {
  const delayMs = Math.max(retryDelayMs(BACKOFF, tries, parts.random()), error.retryAfterMs ?? 0);
  if (CROWDED.has(error.kind)) {
    holdBack(parts, candidate, delayMs);
  }
  const most = Math.min(
    limits.maxAttempts ?? DEFAULT_TRIES,
    error.kind === "malformed" ? MALFORMED_TRIES : Infinity,
  );
  const tooLate = ctx.deadlineAt !== null && parts.clock.now() + delayMs >= ctx.deadlineAt;
  const isLong = delayMs > IN_PLACE_MS;
  if (!PASSING.has(error.kind) || tries >= most || tooLate || (isLong && !isLast)) {
    return false;
  }
  if (isLong && ctx.task?.release) {
    await ctx.task.release(delayMs, `${candidate.provider.name} asks to wait`, { counted: true });
    return false;
  }
  if (delayMs > MAX_SLEEP_MS) {
    return false;
  }
  await sleep(parts.clock, delayMs, ctx.signal);
  return true;
}

/** Others need not find out by themselves. That they are told is worth no wait. */
function holdBack({ ledger, logger }: LlmParts, { provider, model }: Asked, delayMs: number): void {
  ledger.holdBack(provider.name, model, delayMs).catch((error: unknown) => {
    logger.warn({ provider: provider.name, error: String(error) }, "other callers could not be held back");
  });
}

/** PROVIDER_ERROR or RESPONSE_REFUSED, by the last that failed. */
export function finalError(failures: readonly Failure[]): GoalpostError {
  const last = failures.at(-1) as Failure;
  const { candidate, error, tries } = last;
  const details = {
    ...describe(last),
    status: error.status,
    requestId: error.requestId,
    ...(error.retryAfterMs !== null && { retryAfterMs: error.retryAfterMs }),
    ...(failures.length > 1 && { before: failures.slice(0, -1).map(describe) }),
  };
  const name = `${candidate.provider.name} ${candidate.model}`;
  const reason = error.message.slice(0, MAX_REASON_LENGTH);
  if (error.kind === "refused") {
    const words = error instanceof Refusal ? error.words : null;
    return new GoalpostError("RESPONSE_REFUSED", `${name} did not answer: ${reason}. ${REPHRASE}`, {
      cause: error,
      details: { ...details, ...(words !== null && { refusal: words.slice(0, MAX_REASON_LENGTH) }) },
    });
  }
  const how = `${error.kind}${error.status === null ? "" : ` (${error.status})`}`;
  const often = tries === 1 ? "1 try" : `${tries} tries`;
  return new GoalpostError("PROVIDER_ERROR", `${name} failed with ${how} after ${often}: ${reason}`, {
    cause: error,
    details,
    retryable: PASSING.has(error.kind),
  });
}

const REPHRASE = "Rephrase the request, or name another model in fallbacks.";

function describe({ candidate, error, tries }: Failure): Readonly<Record<string, unknown>> {
  return { provider: candidate.provider.name, model: candidate.model, kind: error.kind, tries };
}
