import type { z } from "zod";
import type { Json } from "./json.ts";
import type { RoutingMode, RoutingOptions } from "./routing-options.ts";
import type { Usage } from "./usage.ts";

/** A call of a tool that a model asks for. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** As the model wrote them, parsed; null if they are no JSON. */
  readonly args: Json;
}

/** A turn of a conversation. */
export interface LlmMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string;
  /** Of an assistant's turn: the tools that it asks for. */
  readonly toolCalls?: readonly ToolCall[] | undefined;
  /** Of a tool's turn: the call that it answers. */
  readonly toolCallId?: string | undefined;
  /** Of a tool's turn: the tool failed, and the content says how. */
  readonly isError?: boolean | undefined;
  /**
   * Of an assistant's turn: what the provider needs back word for word (reasoning, signatures). It is used with that
   * provider only; another one is given the text.
   */
  readonly native?: { readonly provider: string; readonly items: Json } | undefined;
}

/** Why a model stopped. */
export type FinishReason = "stop" | "length" | "tool_calls" | "refusal" | "content_filter";

/** A tool that a model can use. */
// biome-ignore lint/suspicious/noExplicitAny: a map holds tools of any args.
export interface LlmTool<Args = any> {
  /** What it does; the model reads it. */
  readonly description: string;
  readonly args: z.ZodType<Args>;
  /** It changes something outside: it is carried out only after `gp.runs.approve`. Default false. */
  readonly sideEffect?: boolean | undefined;
  /** Milliseconds that one call may take. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  execute(args: Args, ctx: { readonly signal: AbortSignal }): unknown;
}

/** How demanding a request is; see {@link LlmRequest.taskType}. */
export type Complexity = "simple" | "medium" | "complex";

/** A model of a provider. */
export interface ModelRef {
  readonly provider: string;
  readonly model: string;
}

/** Models that are asked one after the other until an answer passes. */
export interface Cascade<T = unknown> {
  /** The weakest first, at least two. One that past verdicts say is not worth asking first is left out. */
  readonly models: readonly ModelRef[];
  /**
   * Whether an answer will do; a stronger model is asked if not. The last one's answer counts in any case. Default: whether
   * it fits the `schema` at first try. What it throws the request is rejected with.
   */
  verify?(answer: LlmResult<T>): boolean | Promise<boolean>;
}

/** What is asked of a model. */
export interface LlmRequest<T = unknown> {
  /**
   * What kind of work it is; with `model: "auto"` it decides the model. Simple: classifier, parser, simple_chat;
   * medium: coder, planning, decomposition; complex: architect, code_generation, qa. Others, and none, are medium.
   */
  readonly taskType?: string | undefined;
  readonly messages: readonly LlmMessage[];
  /** A model's id; "auto" (default): by taskType, over the providers that have a key. */
  readonly model?: string | undefined;
  /** A provider's name; "auto" (default): the model's, or the first that has a key. */
  readonly provider?: string | undefined;
  /** How "auto" becomes a model, in place of what `llm.routing` of Goalpost.open says. A model that is named is taken. */
  readonly routing?: RoutingMode | RoutingOptions | undefined;
  /** Asks a weak model first, and stronger ones where its answer does not pass; in place of `model`. */
  readonly cascade?: Cascade<T> | undefined;
  /** Tried in turn when the model before cannot answer (overloaded, unknown, refused, too long for it). */
  readonly fallbacks?: readonly ModelRef[] | undefined;
  /** The answer's shape: any zod schema that JSON Schema can hold. The answer is `parsed`. */
  readonly schema?: z.ZodType<T> | undefined;
  /** Times that the model is asked to repair an answer that the schema does not allow. Default 2. */
  readonly maxRepairs?: number | undefined;
  /** Tools by name. Their calls are carried out and answered until the model is done. */
  readonly tools?: Readonly<Record<string, LlmTool>> | undefined;
  /** Turns in which the model may ask for tools. Default 8. */
  readonly maxToolRounds?: number | undefined;
  /** Tokens that one answer may have. Default 4,096. */
  readonly maxOutputTokens?: number | undefined;
  /** Sent only if given: some models refuse it. */
  readonly temperature?: number | undefined;
  readonly effort?: "low" | "medium" | "high" | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly seed?: number | undefined;
  /** Milliseconds that one call may take. Default 120,000. */
  readonly timeoutMs?: number | undefined;
  /** Tries of one model in all. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** Told of the text while it is written; the answer is streamed then. Not stored: a retry tells nothing. */
  readonly onText?: ((text: string) => void) | undefined;
  /** What this request may cost at most, besides the budgets of its run. */
  readonly budget?: Budget | undefined;
}

/** A model's answer, with what it cost. */
export interface LlmResult<T = unknown> {
  readonly requestId: string;
  /** The text of the last turn. */
  readonly response: string;
  /** What `schema` made of it; null without a schema. */
  readonly parsed: T;
  readonly finishReason: FinishReason;
  readonly provider: string;
  /** The model that was asked. */
  readonly model: string;
  /** The model that the provider says it served. */
  readonly servedModel: string;
  /** Input and output tokens of all calls together. */
  readonly tokensUsed: number;
  /** US cents of all calls together; null when a price is unknown. */
  readonly costCents: number | null;
  /** Of all calls that it took: tries, repairs, tool rounds and fallbacks. */
  readonly usage: Usage;
  /** The turns that were added, the answer last: append them to `messages` to go on. */
  readonly messages: readonly LlmMessage[];
  /** When it was answered, ISO 8601. */
  readonly timestamp: string;
  /** Of a cascade: whether the answer passed. */
  readonly verified?: boolean | undefined;
}

/** A limit on what LLM and embedding calls may cost. */
export interface Budget {
  /** US dollars. */
  readonly usd?: number | undefined;
  /** Input and output tokens together. */
  readonly tokens?: number | undefined;
  readonly calls?: number | undefined;
  /** What happens before a call that would exceed it. "pause" waits for `gp.budgets.raise`. Default "fail". */
  readonly onExceed?: "fail" | "pause" | undefined;
  /** "tree": the run and all its children. "run": the run alone. Default "tree". */
  readonly scope?: "tree" | "run" | undefined;
}
