import { isGoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Cascade, LlmResult, ModelRef } from "../core/llm.ts";
import type { LlmCallContext } from "../core/model-calls.ts";
import type { RouteOutcome } from "../core/model-routing.ts";
import { type ChoicePlace, kindOf, questionOf } from "./choose-models.ts";
import type { CompiledRequest } from "./conversation.ts";
import { converse, type Exchanged } from "./converse.ts";
import type { LlmParts } from "./llm-parts.ts";
import { selectModels } from "./select-model.ts";
import { UsageTally } from "./token-usage.ts";

/** Failures of a weak model that a stronger one may make good. */
const ESCALATED: ReadonlySet<string> = new Set(["PROVIDER_ERROR", "RESPONSE_INVALID", "RESPONSE_REFUSED"]);

/** What a cascade is held with. */
export interface CascadePlace {
  readonly compiled: CompiledRequest;
  readonly cascade: Cascade;
  readonly ctx: LlmCallContext;
  readonly place: ChoicePlace;
  /** A result that was kept as JSON, with what the schema makes of it. */
  readonly restore: (stored: Json) => Promise<LlmResult>;
}

/**
 * Asks a weak model, has its answer verified, and asks the next stronger one if it does not pass; the last one's answer
 * counts whatever the verifier says. Models that are not worth asking first are left out. In a task answers and verdicts
 * are remembered: what was paid for, and refused, is not paid for again.
 * @throws what a conversation throws, and what the verifier throws
 */
export async function runCascade(parts: LlmParts, on: CascadePlace): Promise<LlmResult> {
  const { cascade, ctx } = on;
  const tally = new UsageTally();
  const last = cascade.models.length - 1;
  for (let stage = await firstStage(parts, on); stage < last; stage++) {
    const accepted = await askStage(parts, on, { stage, tally });
    if (accepted) {
      return accepted;
    }
    parts.logger.info({ requestId: ctx.requestId, stage }, "a cascade asks its next model");
  }
  const { result, error, outcomes } = await hold(parts, on, { stage: last, tally });
  if (!result) {
    parts.routing?.record(outcomes);
    throw error;
  }
  const verified = await verify(on, result);
  parts.routing?.record(outcomes.map((outcome) => withVerdict(outcome, verified)));
  return verified === null ? result : { ...result, verified };
}

async function firstStage(parts: LlmParts, { compiled, cascade, ctx, place }: CascadePlace): Promise<number> {
  const known = ctx.task?.recall("cascade/from");
  if (typeof known === "number") {
    return known;
  }
  const question = questionOf(parts, compiled.request, { ...place, models: cascade.models });
  const { from, reason } = (await parts.routing?.startOfCascade(question)) ?? { from: 0, reason: null };
  if (reason !== null) {
    parts.logger.info({ requestId: ctx.requestId, from }, reason);
  }
  await ctx.task?.remember("cascade/from", from);
  return from;
}

interface Stage {
  readonly stage: number;
  readonly tally: UsageTally;
}

/** @returns undefined if the next model is to be asked */
async function askStage(parts: LlmParts, on: CascadePlace, at: Stage): Promise<LlmResult | undefined> {
  const { task } = on.ctx;
  const key = `cascade/${at.stage}`;
  const stored = task?.recall(`${key}/verdict`) === false ? null : task?.recall(`${key}/answer`);
  if (stored === null) {
    return undefined;
  }
  const asked = stored === undefined ? await hold(parts, on, at) : undefined;
  const result = asked ? asked.result : await on.restore(stored as Json);
  if (!result && !(isGoalpostError(asked?.error) && ESCALATED.has(asked.error.code))) {
    parts.routing?.record(asked?.outcomes ?? []);
    throw asked?.error;
  }
  if (result && asked) {
    // The verifier may throw: the answer is not paid for again then.
    await task?.remember(`${key}/answer`, { ...result, parsed: null });
  }
  const passes = result !== undefined && (await verify(on, result)) !== false;
  parts.routing?.record((asked?.outcomes ?? []).map((outcome) => withVerdict(outcome, passes)));
  if (passes) {
    return { ...result, verified: true };
  }
  await task?.remember(`${key}/verdict`, false);
  return undefined;
}

/** Weak models are not asked to mend their answers: a stronger one is. */
function hold(parts: LlmParts, on: CascadePlace, { stage, tally }: Stage): Promise<Exchanged> {
  const { compiled, cascade, ctx, place } = on;
  const isLast = stage === cascade.models.length - 1;
  const { provider, model } = cascade.models[stage] as ModelRef;
  const { fallbacks, ...request } = compiled.request;
  const own = { ...request, provider, model, ...(isLast ? { fallbacks } : { maxRepairs: 0 }) };
  return converse(parts, {
    compiled: { ...compiled, request: own },
    ctx,
    chosen: { candidates: selectModels(parts, own), kind: kindOf(request, place.step), draw: null },
    tally,
    prefix: `cascade/${stage}/`,
  });
}

/** Null where there is nothing to verify by but the schema, which holds already. */
async function verify({ cascade, compiled }: CascadePlace, result: LlmResult): Promise<boolean | null> {
  if (cascade.verify) {
    return await cascade.verify(result);
  }
  return compiled.schema ? true : null;
}

function withVerdict(outcome: RouteOutcome, verdict: boolean | null): RouteOutcome {
  if (verdict === null) {
    return outcome;
  }
  return outcome.answered
    ? { ...outcome, verdict, score: Number(verdict), signal: "verifier" }
    : { ...outcome, verdict };
}
