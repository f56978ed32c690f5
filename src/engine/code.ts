import type { AgentPort } from "../core/agent.ts";
import type { Json } from "../core/json.ts";
import type { LlmResult } from "../core/llm.ts";
import type { Logger } from "../core/logger.ts";
import type { ModelCalls } from "../core/model-calls.ts";
import type { RetryPolicy } from "../core/retry.ts";
import type { Shape } from "../core/shape.ts";
import type { DefinitionNode, RunDefinition } from "./definitions.ts";
import type { Growth } from "./growth.ts";
import type { RunInfo } from "./protocol.ts";
import type { Waits } from "./waits.ts";

/** One try of one task, as the code that carries it out sees it. */
export interface TaskCall {
  readonly run: RunInfo;
  readonly node: DefinitionNode;
  readonly attempt: number;
  /** The index of a map item; undefined elsewhere. */
  readonly index: number | undefined;
  readonly itemInput: Json;
  /** Outputs of the dependencies by name. */
  readonly inputs: Readonly<Record<string, Json>>;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Args that were given with the approval; they replace the planned ones. */
  readonly approvedArgs: Json | undefined;
  readonly waits: Waits;
  readonly agents: AgentPort;
  /** Sends a message to a channel; returns its id. */
  send(channel: string, message: unknown): Promise<string>;
  /** Notes how far it is. @throws INVALID_INPUT */
  progress(fraction: number, note?: string): void;
  once(key: string, fn: () => unknown): Promise<Json>;
  /**
   * Gives this try up: the task is ready again after so many milliseconds, and waits until then, or until its run goes on
   * if that is paused. It is no attempt and no loss. Unwinds the function like a wait: whatever that makes of the
   * exception does not matter, and every call of ctx after it rejects.
   * @param reason for the log
   * @throws Release
   */
  release(delayMs: number, reason: string): never;
  /** What `once` has stored for the key; undefined for nothing. */
  recall(key: string): Json | undefined;
  readonly models: ModelCalls;
  /** Whether the task was handed out before. */
  readonly resumed: boolean;
  /** Milliseconds since the epoch when the time of this try is up; null if nobody chose a time for the task. */
  readonly deadlineAt: number | null;
  /** Does work whose time does not count, unless somebody gave the task a time of its own. */
  untimed<T>(work: () => Promise<T>): Promise<T>;
  /** Notes what a model's answer has used; for the statistics. */
  spend(answer: Pick<LlmResult, "provider" | "model" | "usage">): void;
  /** For tasks that plan. */
  growth(): Growth;
}

export interface TaskResult {
  readonly output: unknown;
  /** What the run grows by; made with the position of the task at hand. */
  readonly shape?: Shape;
}

export interface TaskPolicy {
  readonly maxAttempts: number;
  readonly timeoutMs: number;
  /** Whether somebody chose timeoutMs: all of the try counts then. Default false. */
  readonly timeoutGiven?: boolean | undefined;
  /**
   * Milliseconds that past runs suggest for one try. The last try has timeoutMs if that is longer: what was learned wrong
   * costs time, not the run.
   */
  readonly learnedTimeoutMs?: number | undefined;
  /** Milliseconds after which a second copy of the try is begun beside it, if a slot is free. Default: never. */
  readonly hedgeAfterMs?: number | undefined;
  /** Codes of errors after which another try never helped. */
  readonly finalErrors?: readonly string[] | undefined;
  readonly retry: RetryPolicy;
  /** Whether it is carried out only when somebody approved of it. */
  readonly approval: boolean;
}

/** The code of a task. */
export interface TaskCode {
  readonly policy: TaskPolicy;
  /** False: the task is skipped. Asked before every try; a throw fails the task. */
  readonly condition?: ((call: TaskCall) => unknown) | undefined;
  execute(call: TaskCall): Promise<TaskResult>;
}

/** Finds the code of a task; undefined if this process does not have it. */
export type FindCode = (
  run: RunInfo,
  definition: RunDefinition,
  node: DefinitionNode,
) => TaskCode | undefined;
