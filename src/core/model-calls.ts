import type { Embedded, EmbedPurpose } from "./embedding.ts";
import type { Json } from "./json.ts";
import type { CallScope } from "./ledger.ts";
import type { LlmRequest, LlmResult, ModelRef } from "./llm.ts";
import type { RoutedModels } from "./model-routing.ts";

/** What somebody decided about a call of a tool. */
export type ToolDecision =
  | { readonly approved: true /** Those that it is carried out with. */; readonly args: Json }
  | { readonly approved: false; readonly by: string; readonly reason: string };

/** A call of a tool that somebody has to approve. */
export interface ToolApproval {
  /** The same every time the step is called. */
  readonly id: string;
  readonly tool: string;
  readonly args: Json;
}

/** What a task does for a request that is made in it. */
export interface LlmTask {
  /** What was remembered in this or an earlier call of the step. */
  recall(key: string): Json | undefined;
  remember(key: string, value: unknown): Promise<void>;
  /** Does work that must not be cut off by a wait beside it. */
  keepBusy<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for `gp.runs.approve` or `reject`, without a slot. */
  approve(call: ToolApproval): Promise<ToolDecision>;
  /**
   * Gives the slot back by throwing; the step is called again after that long. Undefined where that cannot be.
   * `counted`: returns instead when the request has done so too often.
   */
  readonly release?:
    | ((delayMs: number, reason: string, options: { readonly counted: boolean }) => Promise<void>)
    | undefined;
}

/** Where a request is made. */
export interface LlmCallContext {
  /** Unique; all calls that the request takes carry it. */
  readonly requestId: string;
  readonly scope: CallScope;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch after which nobody waits for the answer; null for none. */
  readonly deadlineAt: number | null;
  /** The step that asks; models are told apart by how they do on its requests where these have no taskType. */
  readonly step?: string | undefined;
  /** Nobody is kept waiting by a slower answer, as far as the plan tells. Default false in tasks, true outside of them. */
  readonly offCriticalPath?: boolean | undefined;
  /** The model that the plan chose for the task: asked first where a request leaves it open, unless a choice is learned. */
  readonly preferred?: ModelRef | undefined;
  /** Calls of it may have been made before, in another process perhaps. */
  readonly resumed: boolean;
  /** Null outside of tasks. */
  readonly task: LlmTask | null;
}

/** A request that was found to be in order. */
export interface PreparedRequest<T> {
  /** Equal for requests that ask for the same. */
  readonly key: string;
  /** The models that are asked, the first one first. @throws NO_PROVIDER, INVALID_INPUT */
  models(): readonly ModelRef[];
  /** Chooses for good: the caller keeps the choice, and asks with it. @throws NO_PROVIDER, INVALID_INPUT */
  choose(runId: string): Promise<RoutedModels>;
  ask(ctx: LlmCallContext): Promise<LlmResult<T>>;
  /** The result that was stored as JSON, with what the schema makes of it. */
  restore(stored: Json): Promise<LlmResult<T>>;
}

/** Texts that are to be embedded. */
export interface TextsToEmbed {
  readonly texts: readonly string[];
  readonly model: string | undefined;
  readonly purpose: EmbedPurpose;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What becomes of requests that leave the model open. */
export interface UsualModel {
  /** The one that the table has for them; null without a provider. */
  readonly model: ModelRef | null;
  /** All that can be chosen for them, that one included. */
  readonly choices: readonly ModelRef[];
  /** Whether a choice is learned instead. */
  readonly isLearned: boolean;
}

/** Calls models. */
export interface ModelCalls {
  /** Never fails: where no model can be asked, there is no usual one. */
  usual(): Promise<UsualModel>;
  /** The name of the instance. */
  readonly instance: string;
  /** @throws INVALID_INPUT */
  prepare<T>(request: LlmRequest<T>): Promise<PreparedRequest<T>>;
  /**
   * Embeds texts. In a task each batch is remembered.
   * @throws INVALID_INPUT for a model that is unknown; NO_PROVIDER, PROVIDER_ERROR, BUDGET_EXCEEDED
   */
  embed(texts: TextsToEmbed, ctx: LlmCallContext): Promise<Embedded>;
}
