import type { FinishReason, ModelRef } from "../core/llm.ts";
import type { ModelErrorKind, TokenUsage } from "../core/model.ts";
import type { QualitySignal, RouteOutcome } from "../core/model-routing.ts";

/** What a repair, or a call of a tool that was none, leaves of an answer's score. */
const MENDED = 0.5;

/** Kinds of failures that tell of the model, not of whether it could be reached. */
const OF_QUALITY: Partial<Readonly<Record<ModelErrorKind, QualitySignal>>> = {
  refused: "refused",
  malformed: "malformed",
  too_long: "too_long",
};
/** Kinds that tell of neither: the request was at fault, or its caller lost interest. */
const OF_NOBODY: ReadonlySet<ModelErrorKind> = new Set(["bad_request", "aborted"]);

/** What one model did for a request. */
interface Trace {
  readonly model: ModelRef;
  costNanoUsd: bigint | null;
  durationMs: number | null;
  inputTokens: number;
  outputTokens: number;
  repairs: number;
  goodTools: number;
  badTools: number;
  failure: ModelErrorKind | null;
}

/** What a model did, as it is learned from. */
export type Judged = Pick<
  RouteOutcome,
  "model" | "answered" | "score" | "signal" | "available" | "costUsd" | "durationMs" | "tokens"
>;

/** How a request ended. */
export interface TrailEnd {
  /** The model that had the last word. */
  readonly model: ModelRef;
  readonly finishReason: FinishReason;
  /** Whether a schema held, or holds no more; null without one. */
  readonly valid: boolean | null;
}

/** Which models were asked for a request, and how each did. */
export class CallTrail {
  readonly #traces = new Map<string, Trace>();

  /** @param durationMs null if it failed */
  called(
    model: ModelRef,
    call: {
      readonly usage: TokenUsage;
      readonly costNanoUsd: bigint | null;
      readonly durationMs: number | null;
    },
  ): void {
    const trace = this.#of(model);
    const { usage, costNanoUsd, durationMs } = call;
    trace.costNanoUsd =
      trace.costNanoUsd === null || costNanoUsd === null ? null : trace.costNanoUsd + costNanoUsd;
    trace.durationMs = durationMs === null ? trace.durationMs : (trace.durationMs ?? 0) + durationMs;
    trace.inputTokens += usage.inputTokens;
    trace.outputTokens += usage.outputTokens;
  }

  /** The next model is asked. */
  gaveUp(model: ModelRef, kind: ModelErrorKind): void {
    this.#of(model).failure = kind;
  }

  /** An answer did not fit its schema, and is to be mended. */
  repaired(model: ModelRef): void {
    this.#of(model).repairs += 1;
  }

  /** The model asked for tools; those that are bad do not exist, or their arguments do not fit. */
  usedTools(model: ModelRef, { good, bad }: { readonly good: number; readonly bad: number }): void {
    const trace = this.#of(model);
    trace.goodTools += good;
    trace.badTools += bad;
  }

  /** What is learned of each model; without an end nobody had the last word. */
  judge(end: TrailEnd | undefined): Judged[] {
    return [...this.#traces.values()].map((trace) => {
      const last = end?.model.provider === trace.model.provider && end.model.model === trace.model.model;
      const { model, costNanoUsd, durationMs, inputTokens, outputTokens } = trace;
      return {
        model,
        answered: last,
        ...(last ? scoreOf(trace, end) : scoreOfFailure(trace)),
        available: availabilityOf(trace, last),
        costUsd: costNanoUsd === null ? null : Number(costNanoUsd) / 1e9,
        durationMs,
        tokens: { input: inputTokens, output: outputTokens },
      };
    });
  }

  #of({ provider, model }: ModelRef): Trace {
    const key = `${provider}/${model}`;
    const known = this.#traces.get(key);
    if (known) {
      return known;
    }
    const trace: Trace = {
      model: { provider, model },
      costNanoUsd: 0n,
      durationMs: null,
      inputTokens: 0,
      outputTokens: 0,
      repairs: 0,
      goodTools: 0,
      badTools: 0,
      failure: null,
    };
    this.#traces.set(key, trace);
    return trace;
  }
}

type Score = Pick<RouteOutcome, "score" | "signal">;

function scoreOf({ repairs, goodTools, badTools }: Trace, { finishReason, valid }: TrailEnd): Score {
  if (valid !== null) {
    return { score: valid ? MENDED ** (repairs + badTools) : 0, signal: "schema" };
  }
  if (finishReason === "length") {
    return { score: 0, signal: "truncated" };
  }
  return goodTools + badTools > 0
    ? { score: MENDED ** badTools, signal: "tools" }
    : { score: null, signal: null };
}

function scoreOfFailure({ failure }: Trace): Score {
  const signal = failure && OF_QUALITY[failure];
  return signal ? { score: 0, signal } : { score: null, signal: null };
}

function availabilityOf({ failure }: Trace, answered: boolean): boolean | null {
  if (answered || (failure && OF_QUALITY[failure])) {
    return true;
  }
  return failure === null || OF_NOBODY.has(failure) ? null : false;
}
