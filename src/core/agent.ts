import { GoalpostError } from "./errors.ts";
import type { Json } from "./json.ts";

/** A message as an agent is given it. */
export interface AgentMessage<Payload = Json> {
  /** What `send` returned to the sender. */
  readonly id: string;
  /** Who sent it; null if the sender did not say. */
  readonly from: string | null;
  readonly to: string;
  /** What kind of message it is, in the sender's words. */
  readonly type: string;
  readonly payload: Payload;
  /** What ties messages together that belong to one conversation. */
  readonly conversationId: string | null;
  readonly at: Date;
  /** The sender waits for a reply: what the handler returns. */
  readonly wantsReply: boolean;
}

/** A message to be sent. */
export interface AgentMail {
  /**
   * Who sends it: the name of an agent, or any other. Messages of one sender to one agent are handled one after the
   * other, in order; messages without a sender in any order.
   */
  readonly from?: string | undefined;
  /** The agent's name. */
  readonly to: string;
  /** What kind of message it is: a text of 1 to 128 characters. */
  readonly type: string;
  /** Anything that JSON can hold, up to `workers.maxOutputBytes`. Default null. */
  readonly payload?: unknown;
  readonly conversationId?: string | undefined;
  /** Sent again under the same id, a message is not delivered again. Default: a new one. */
  readonly messageId?: string | undefined;
}

/** A message to several agents. */
export interface AgentBroadcast extends Omit<AgentMail, "to"> {
  /** All agents that have it; the sender is left out. */
  readonly capability?: string | undefined;
  /** True: every agent but the sender. */
  readonly all?: boolean | undefined;
}

/** How a reply is waited for. */
export interface ReplyOptions {
  /** Milliseconds to wait at most. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Ends the waiting, not the request. */
  readonly signal?: AbortSignal | undefined;
}

/** How a step, or a handler, waits for a reply. */
export interface KeyedReplyOptions {
  /** Milliseconds to wait at most. Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /**
   * Tells this request from the others of the task or message, the same every time it is made. Default: which one it is,
   * counted in the order of the calls.
   */
  readonly key?: string | undefined;
}

/** An agent that is known, and where its messages are handled. */
export interface AgentSummary {
  readonly name: string;
  readonly description: string;
  readonly capabilities: readonly string[];
  /** Messages that are not handled yet. */
  readonly backlog: number;
  readonly deadLetters: number;
  /** The instances that handle its messages now. */
  readonly instances: readonly {
    /** What the process is called: `instanceId`. */
    readonly id: string;
    readonly workerId: string;
    /** Messages of different senders that it handles at once. */
    readonly concurrency: number;
    readonly since: Date;
  }[];
}

/** What steps can do with agents. */
export interface StepAgents {
  /**
   * Sends a message; returns its id. A step that is called again does not send again. Without `from` the sender is the
   * run, `run:ID`.
   * @throws UNKNOWN_AGENT, INVALID_INPUT
   */
  send(mail: AgentMail): Promise<string>;
  /**
   * Asks an agent and waits for its reply without holding the worker's slot, like `ctx.waitFor`.
   * @throws UNKNOWN_AGENT, WAIT_TIMEOUT; what the agent failed with
   */
  request<T = Json>(mail: Omit<AgentMail, "messageId">, options?: KeyedReplyOptions): Promise<T>;
  /** The agents that there are. */
  list(): Promise<AgentSummary[]>;
}

/** Where the reply to a step's request goes. */
export interface ReplySignal {
  readonly runId: string;
  readonly name: string;
}

/** Agents, as the engine passes them on to steps. */
export interface AgentPort {
  send(mail: AgentMail & { readonly messageId: string }, replyTo: ReplySignal | null): Promise<void>;
  list(): Promise<AgentSummary[]>;
  /** What decomposers are told of. */
  describe(): Promise<Pick<AgentSummary, "name" | "description">[]>;
}

/** The step that asks an agent: `agent:` and its name. */
export const AGENT_STEP = "agent:";

/** Where there are no agents. */
export const NO_AGENTS: AgentPort = {
  send: () => Promise.reject(new GoalpostError("INVALID_STATE", "this worker knows no agents")),
  list: async () => [],
  describe: async () => [],
};
