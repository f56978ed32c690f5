import type { AgentMail, AgentMessage, KeyedReplyOptions } from "./agent.ts";
import type { Decomposer, Goal } from "./goal.ts";
import type { Json, Stored } from "./json.ts";
import type { LlmRequest, LlmResult } from "./llm.ts";
import type { Logger } from "./logger.ts";
import type { GoalResult } from "./results.ts";
import type { RetryPolicy } from "./retry.ts";
import type { ChildGoalOptions, LlmCallOptions, StepMap } from "./step.ts";

/** What a handler is given besides the message. */
export interface AgentContext<Payload = Json> {
  readonly message: AgentMessage<Payload>;
  /** Which try this is, from 1. Losing the process is not a try. */
  readonly attempt: number;
  /** Aborts when the time is up, when the client closes, and when the message is no longer this process's. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /**
   * Calls `fn` once for this message and key and remembers what it returned: a retry gets the stored value.
   * @throws OUTPUT_NOT_JSON, OUTPUT_TOO_LARGE, LEASE_LOST
   */
  once<T>(key: string, fn: () => T | Promise<T>): Promise<Stored<T>>;
  /**
   * Asks a model; the answer is remembered for this message: handled again, it is not paid for again. It is on the ledger
   * under workflow "agent:NAME" and takes of the handler's time.
   * @throws INVALID_INPUT, NO_PROVIDER, PROVIDER_ERROR, RESPONSE_INVALID, RESPONSE_REFUSED, BUDGET_EXCEEDED
   */
  llm<T = null>(request: LlmRequest<T>, options?: LlmCallOptions): Promise<LlmResult<T>>;
  /**
   * Sends a message from this agent. It is stored together with the end of this handling: a handling that fails has sent
   * nothing. Returns the message's id.
   * @throws UNKNOWN_AGENT, INVALID_INPUT
   */
  send(mail: Omit<AgentMail, "from">): Promise<string>;
  /**
   * Says what the reply is, instead of returning it.
   * @throws INVALID_STATE if nobody waits for a reply, or there is one already
   */
  reply(value: unknown): void;
  /**
   * Asks another agent and waits, without holding a slot. What was sent before is stored with it. If the message is
   * handled again, the request is not made again: its reply is waited for.
   * @throws UNKNOWN_AGENT, WAIT_TIMEOUT; what the other agent failed with
   */
  request<T = Json>(mail: Omit<AgentMail, "from">, options?: KeyedReplyOptions): Promise<T>;
  /**
   * Plans and runs a goal, and waits for its end without holding a slot. If the message is handled again, the same run
   * is waited for.
   * @throws RunFailedError
   */
  executeGoal(
    goal: string | Goal,
    decomposer: Decomposer | undefined,
    steps: StepMap | undefined,
    options: ChildGoalOptions,
  ): Promise<GoalResult>;
}

/** An agent: what it is for, and what handles its messages. */
export interface AgentDefinition {
  /** What it does; decomposers and other agents read it. */
  readonly description: string;
  /** What it can be asked for, for broadcasts. Default: nothing. */
  readonly capabilities?: readonly string[] | undefined;
  /**
   * Handles one message. What it returns is the reply, if the sender waits for one. A throw is tried again.
   * Method syntax, so that payloads typed by hand are accepted.
   */
  // biome-ignore lint/suspicious/noExplicitAny: senders decide what a payload is.
  onMessage(message: AgentMessage<any>, ctx: AgentContext<any>): unknown;
  /** Senders whose messages are handled at once in this process. Default 10. */
  readonly concurrency?: number | undefined;
  /** Tries in all, the first included; then the message is a dead letter. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** Milliseconds that one try may take, waiting for replies and goals not counted. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
}
