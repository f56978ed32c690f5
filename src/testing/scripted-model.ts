import type { ToolCall } from "../core/llm.ts";
import {
  type ChatModels,
  type ModelCallContext,
  ModelError,
  type ModelRequest,
  type ModelResponse,
  type TokenUsage,
} from "../core/model.ts";
import { systemClock } from "../engine/system-clock.ts";
import { type Clock, GoalpostError } from "../index.ts";
import { countTokens } from "./count-tokens.ts";
import { pause } from "./pause.ts";
import { readReply, type Script, type ScriptedAnswer, type ScriptedCall } from "./script.ts";
import { ScriptReader } from "./script-reader.ts";

/** How a scripted model behaves. */
export interface ScriptedModelOptions {
  /** The name of the provider that it stands for. Default "scripted". */
  readonly provider?: string | undefined;
  /** Whether the provider holds answers to a schema; if not, the schema is part of the prompt. Default true. */
  readonly structured?: boolean | undefined;
  /** Keep the calls; false for many of them. Default true. */
  readonly keepCalls?: boolean | undefined;
  /** Where the time of `delayMs` comes from. Default: the machine's clock. */
  readonly clock?: Clock | undefined;
}

/** A provider whose answers are known beforehand; made by {@link scriptedModel}. */
export interface ScriptedModel extends ChatModels {
  /** All calls so far, in the order in which they came. */
  readonly calls: readonly ScriptedCall[];
  /**
   * Makes sure that every answer was given, and that no call came that the script does not know.
   * @throws INVALID_STATE with all that is wrong
   */
  assertComplete(): void;
}

/**
 * A model that answers by a script, for `Goalpost.open({ llm: { providers: { scripted: model } } })` or
 * `openTestGoalpost({ model })`. A call gets the next answer of the first {@link when} that fits it; else the next
 * answer of the list; else that of a {@link whenever}. Another call is an error that is not tried again.
 *
 * @example
 * const model = scriptedModel([
 *   "Hello.",                                              // the first call gets this text
 *   { sentiment: "good", score: 3 },                       // the second one this JSON
 *   { error: "rate_limited", retryAfterMs: 2000 },         // the third one fails
 *   { toolCalls: [{ name: "search", args: { q: "x" } }], usage: { inputTokens: 900 } },
 *   (request) => `You said: ${request.messages.at(-1)?.content}`,
 *   when(/summar/i, "In short: yes."),                     // wherever in the order it comes
 * ]);
 * await using test = await openTestGoalpost({ model });
 * // … run what is tested …
 * expect(model.calls[0]?.request.messages.at(-1)?.content).toContain("Good morning");
 * model.assertComplete();
 * @throws INVALID_INPUT for a script that is none
 */
export function scriptedModel(script: Script, options: ScriptedModelOptions = {}): ScriptedModel {
  const reader = new ScriptReader(script);
  const clock = options.clock ?? systemClock;
  const calls: ScriptedCall[] = [];
  let count = 0;
  return {
    provider: options.provider ?? "scripted",
    structured: options.structured ?? true,
    calls,
    async generate(request, ctx) {
      count += 1;
      const call = record(count, request, ctx);
      if (options.keepCalls !== false) {
        calls.push(call);
      }
      // Which answer it is, is decided before anything is awaited: calls at once are served in their order.
      const reply = reader.next(call);
      throwIfAborted(ctx.signal);
      const answer = readReply(typeof reply === "function" ? await reply(call.request, call) : reply);
      await delay(answer, ctx, clock);
      return answer.error === undefined ? respond(answer, call, ctx) : fail(answer, call, ctx);
    },
    assertComplete() {
      const problems = reader.problems();
      if (problems.length > 0) {
        throw new GoalpostError(
          "INVALID_STATE",
          `scripted model: after ${count} calls ${problems.join("; ")}`,
        );
      }
    },
  };
}

function record(number: number, request: ModelRequest, ctx: ModelCallContext): ScriptedCall {
  return Object.freeze({
    number,
    request: deepFreeze(structuredClone(request)),
    callId: ctx.callId,
    timeoutMs: ctx.timeoutMs,
    streamed: ctx.onText !== undefined,
    signal: ctx.signal,
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

function throwIfAborted(signal: AbortSignal, mayBeBilled = false): void {
  if (signal.aborted) {
    throw new ModelError("aborted", "the call was aborted", { cause: signal.reason, mayBeBilled });
  }
}

/** Waits like a slow provider: until the call's time is over, at most. */
async function delay({ delayMs = 0 }: ScriptedAnswer, ctx: ModelCallContext, clock: Clock): Promise<void> {
  if (delayMs <= 0) {
    return;
  }
  const tooLong = delayMs > ctx.timeoutMs;
  try {
    await pause(clock, tooLong ? ctx.timeoutMs : delayMs, ctx.signal);
  } catch {
    throwIfAborted(ctx.signal, true);
  }
  if (tooLong) {
    throw new ModelError("timeout", `there was no answer within ${ctx.timeoutMs} ms`, { mayBeBilled: true });
  }
}

function respond(answer: ScriptedAnswer, call: ScriptedCall, ctx: ModelCallContext): ModelResponse {
  const text = textOf(answer);
  const toolCalls = (answer.toolCalls ?? []).map(
    ({ id, name, args = {} }, index): ToolCall => ({ id: id ?? `call_${index + 1}`, name, args }),
  );
  const usage = usageOf(answer, call.request, { text, toolCalls });
  stream(text, usage, ctx);
  return {
    text,
    toolCalls,
    finishReason: answer.finishReason ?? naturalEnd(answer),
    refusal: answer.refusal ?? null,
    usage,
    model: answer.model ?? call.request.model,
    responseId: `scripted_response_${call.number}`,
    requestId: `scripted_request_${call.number}`,
    costUsd: answer.costUsd ?? null,
    native: null,
    limits: null,
  };
}

function fail(answer: ScriptedAnswer, call: ScriptedCall, ctx: ModelCallContext): never {
  const { error, status, retryAfterMs } = answer;
  const text = textOf(answer);
  const usage = answer.usage ? usageOf(answer, call.request, { text, toolCalls: [] }) : null;
  stream(text, usage, ctx);
  if (typeof error !== "string") {
    throw error;
  }
  const mayBeBilled = answer.mayBeBilled ?? (text !== "" || usage !== null);
  throw new ModelError(error, `the script says that call ${call.number} fails with ${error}`, {
    status,
    retryAfterMs,
    requestId: `scripted_request_${call.number}`,
    mayBeBilled,
  });
}

function textOf(answer: ScriptedAnswer): string {
  return answer.text ?? (answer.json === undefined ? "" : JSON.stringify(answer.json));
}

function naturalEnd(answer: ScriptedAnswer): ModelResponse["finishReason"] {
  if (answer.refusal !== undefined) {
    return "refusal";
  }
  return answer.toolCalls?.length ? "tool_calls" : "stop";
}

function usageOf(
  { usage }: ScriptedAnswer,
  request: ModelRequest,
  written: Pick<ModelResponse, "text" | "toolCalls">,
): TokenUsage | null {
  return usage === null ? null : { ...countTokens(request, written), ...usage };
}

/** Tells the text as a provider would: what the prompt used first, then words, then what all of it used. */
function stream(text: string, usage: TokenUsage | null, ctx: ModelCallContext): void {
  if (ctx.onText && text !== "") {
    if (usage) {
      ctx.onUsage({ ...usage, outputTokens: 1, reasoningTokens: 0 });
    }
    for (const piece of text.match(/\s*\S+\s*$|\s*\S+|\s+/g) ?? []) {
      throwIfAborted(ctx.signal, true);
      ctx.onText(piece);
    }
  }
  throwIfAborted(ctx.signal, true);
  if (usage) {
    ctx.onUsage(usage);
  }
}
