import type { FinishReason } from "../core/llm.ts";
import type { ModelErrorKind, ModelRequest, TokenUsage } from "../core/model.ts";
import { GoalpostError, type Json } from "../index.ts";

/** What a scripted model says to one call. All fields may be left out. */
export interface ScriptedAnswer {
  readonly text?: string | undefined;
  /** The answer is the JSON text of this. */
  readonly json?: Json | undefined;
  /** Tools that it asks for. Default of their ids: `call_1`, `call_2`, … */
  readonly toolCalls?:
    | readonly { readonly id?: string; readonly name: string; readonly args?: Json }[]
    | undefined;
  /** Default "tool_calls" if there are any, "refusal" with a refusal, else "stop". */
  readonly finishReason?: FinishReason | undefined;
  /** Why the model refuses, in its words. */
  readonly refusal?: string | undefined;
  /**
   * What the call is said to have used; what is left out is counted from the texts, a token for every four characters.
   * Null: the provider does not say. Of a call that fails: none unless given.
   */
  readonly usage?: Partial<TokenUsage> | null | undefined;
  /** What the provider says it cost, in US dollars. Default: it does not say. */
  readonly costUsd?: number | undefined;
  /** The model that is said to have been served. Default: the one that was asked. */
  readonly model?: string | undefined;
  /** Milliseconds until it answers, by the model's clock. Default 0. */
  readonly delayMs?: number | undefined;
  /** The call fails; after `text`, if that was given and the answer is streamed. */
  readonly error?: ModelErrorKind | Error | undefined;
  /** With `error`: the HTTP status. */
  readonly status?: number | undefined;
  /** With `error`: when the provider asks to be called again. */
  readonly retryAfterMs?: number | undefined;
  /** With `error`: the provider may have worked on it. Default: whether it wrote or used something. */
  readonly mayBeBilled?: boolean | undefined;
}

/** One call of a scripted model, as it is recorded. */
export interface ScriptedCall {
  /** From 1. */
  readonly number: number;
  /** A frozen copy. */
  readonly request: ModelRequest;
  readonly callId: string;
  /** Milliseconds that the caller gave it. */
  readonly timeoutMs: number;
  /** Whether the caller asked for the text piece by piece. */
  readonly streamed: boolean;
  readonly signal: AbortSignal;
}

/** An answer: a text, a {@link ScriptedAnswer}, an error to be thrown, or JSON that the model writes. */
export type Reply = string | ScriptedAnswer | Error | Json;

/** Makes an answer from the call. */
export type Responder = (request: ModelRequest, call: ScriptedCall) => Reply | Promise<Reply>;

/** Which calls a rule is for: a text that a message holds, a pattern that fits a message, or a test of the request. */
export type Match = string | RegExp | ((request: ModelRequest) => boolean);

const RULE: unique symbol = Symbol("rule");

/** Answers for some calls; made by {@link when}, {@link whenever} and {@link always}. */
export interface ScriptRule {
  readonly [RULE]: true;
  readonly match: Match;
  readonly answers: readonly (Reply | Responder)[];
  /** Any number of calls get the (one) answer; otherwise each answer is given once. */
  readonly endless: boolean;
}

export type ScriptEntry = Reply | Responder | ScriptRule;

/** What a scripted model says: a list of answers and rules, or a function that answers every call. */
export type Script = readonly ScriptEntry[] | Responder;

/**
 * Answers for the calls that fit, wherever in the order they come: the first such call gets the first answer, and each
 * answer is given once.
 * @example when("the weather", { toolCalls: [{ name: "weather", args: { city: "Oslo" } }] }, "It rains in Oslo.")
 * @throws INVALID_INPUT without answers
 */
export function when(match: Match, ...answers: readonly (Reply | Responder)[]): ScriptRule {
  if (answers.length === 0) {
    throw new GoalpostError(
      "INVALID_INPUT",
      'when(…) needs at least one answer: when("the weather", "It rains")',
    );
  }
  return { [RULE]: true, match, answers, endless: false };
}

/**
 * One answer for any number of calls that fit, none included.
 * @example whenever((request) => request.model === "slow", { text: "at last", delayMs: 60_000 })
 */
export function whenever(match: Match, answer: Reply | Responder): ScriptRule {
  return { [RULE]: true, match, answers: [answer], endless: true };
}

/** One answer for all calls that nothing else answers. */
export function always(answer: Reply | Responder): ScriptRule {
  return whenever(() => true, answer);
}

export function isRule(entry: unknown): entry is ScriptRule {
  return typeof entry === "object" && entry !== null && RULE in entry;
}

/** Whether a rule is for a request. */
export function fits(match: Match, request: ModelRequest): boolean {
  if (typeof match === "function") {
    return match(request);
  }
  const texts = request.messages.map(({ content }) => content);
  // A pattern with the flag g remembers where it was.
  return texts.some((text) => (typeof match === "string" ? text.includes(match) : text.search(match) >= 0));
}

const ANSWER_KEYS: ReadonlySet<string> = new Set<keyof ScriptedAnswer>([
  "text",
  "json",
  "toolCalls",
  "finishReason",
  "refusal",
  "usage",
  "costUsd",
  "model",
  "delayMs",
  "error",
  "status",
  "retryAfterMs",
  "mayBeBilled",
]);

/**
 * What somebody means by a reply. An object whose keys are all those of an answer is one; an object that has none of
 * them is JSON for the model to write.
 * @throws INVALID_INPUT if it has some of them
 */
export function readReply(reply: Reply): ScriptedAnswer {
  if (typeof reply === "string") {
    return { text: reply };
  }
  if (reply instanceof Error) {
    return { error: reply };
  }
  if (typeof reply !== "object" || reply === null || Array.isArray(reply)) {
    return { json: reply as Json };
  }
  const keys = Object.keys(reply);
  const others = keys.filter((key) => !ANSWER_KEYS.has(key));
  if (others.length === keys.length) {
    return { json: reply as Json };
  }
  if (others.length > 0) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `scripted model: an answer has no ${others.map((key) => `"${key}"`).join(", ")}; ` +
        "if the object is JSON for the model to write, say { json: { … } }",
    );
  }
  return reply as ScriptedAnswer;
}
