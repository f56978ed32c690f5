import { v7 as newId, v5 as uuidOf } from "uuid";
import type { AgentBroadcast, AgentMail, AgentPort, AgentSummary, ReplyOptions } from "../core/agent.ts";
import type { AgentDefinition } from "../core/agent-definition.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { checkName } from "../core/names.ts";
import { check } from "../core/policy.ts";
import type { AgentHost } from "./agent-host.ts";
import { checkAgent, checkMail, checkText } from "./check-mail.ts";
import {
  agentNames,
  describeAgents,
  type InboxMessage,
  type InboxOptions,
  listAgents,
  readInbox,
  registerAgent,
  retryDeadLetter,
  unregisterAgent,
} from "./inbox.ts";
import type { OutgoingMail } from "./mail-protocol.ts";
import { DEFAULT_CONCURRENCY, type Mailroom, type MailroomParts } from "./mailroom.ts";

const DEFAULT_REPLY_MS = 30_000;
/** Ids of broadcast messages are made in it. */
const NAMESPACE = "0d1f9d2c-58a5-4d5f-8a55-92b6d6a6f3f4";

/** What {@link Agents} needs of the client. */
export type AgentsParts = Pick<MailroomParts, "driver" | "clock" | "workerId" | "handles" | "maxBytes">;

/** An agent whose messages this process handles; made by {@link Agents.register}. */
export interface AgentRegistration extends AsyncDisposable {
  readonly name: string;
  /**
   * Handles no more of its messages here; waits for those under way. The agent and its inbox stay. Calling it again is
   * the same as calling it once.
   */
  close(): Promise<void>;
}

/**
 * `gp.agents`: named recipients, each with a durable inbox, in processes that share a database. A message is handled at
 * least once; the messages of one sender to one agent one after the other, in order, retries included. That it was
 * handled is stored together with what its handler sent and replied.
 */
export class Agents {
  readonly #parts: AgentsParts;
  readonly #mailroom: Mailroom;

  constructor(parts: AgentsParts, mailroom: Mailroom) {
    this.#parts = parts;
    this.#mailroom = mailroom;
  }

  /**
   * Handles the messages of an agent in this process, until it or the client is closed. Several processes may: each
   * message goes to one of them. The agent is known from then on, and keeps its inbox when nobody handles it.
   * @throws INVALID_INPUT, INVALID_STATE if this client has no worker, CLOSED
   */
  async register(name: string, definition: AgentDefinition): Promise<AgentRegistration> {
    checkAgent(name, definition);
    this.#mailroom.throwIfClosed();
    const { driver, clock, handles, workerId } = this.#parts;
    if (handles === "no") {
      throw new GoalpostError(
        "INVALID_STATE",
        `agent "${name}" cannot be handled here: this client carries nothing out (workers: false, or concurrency 0)`,
      );
    }
    if (this.#mailroom.has(name)) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `agent "${name}" is registered in this client already; close that registration first, or give this one another name`,
      );
    }
    const host = this.#mailroom.add(name, definition);
    try {
      await this.#mailroom.listen();
      const { description, capabilities = [], concurrency = DEFAULT_CONCURRENCY } = definition;
      const hosted = { worker: workerId, name, description, capabilities, concurrency };
      await registerAgent(driver, hosted, clock.databaseNow());
    } catch (error) {
      this.#mailroom.remove(name);
      throw error;
    }
    this.#mailroom.opened(name);
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= this.#unregister(host);
      return closing;
    };
    return { name, close, [Symbol.asyncDispose]: close };
  }

  /**
   * Stores a message in an agent's inbox; whether anybody handles it now does not matter.
   * @returns the message's id
   * @throws UNKNOWN_AGENT (`details.agents` lists those that exist), INVALID_INPUT, INVALID_STATE if the id is that of
   * another message, CLOSED
   */
  async send(mail: AgentMail): Promise<string> {
    const outgoing = this.#prepare(mail);
    await this.#mailroom.checkRecipient(outgoing.to, outgoing.from);
    await this.#mailroom.store([outgoing]);
    return outgoing.id;
  }

  /**
   * Sends a message and waits for what its handler returns. Asked again with the same `messageId`, after a restart say, it
   * is not handled again: its reply is waited for, or returned if it is there.
   * @throws WAIT_TIMEOUT (the request stays, and may be asked for again); the error that the handler failed with;
   * and as `send` does
   */
  async request<T = Json>(mail: AgentMail, options: ReplyOptions = {}): Promise<T> {
    const { timeoutMs = DEFAULT_REPLY_MS, signal } = options;
    check(timeoutMs, { what: "timeoutMs", least: 1 });
    signal?.throwIfAborted();
    const outgoing = { ...this.#prepare(mail), wantsReply: true, asker: this.#parts.workerId };
    await this.#mailroom.checkRecipient(outgoing.to, outgoing.from);
    await this.#mailroom.listen();
    return (await this.#mailroom.ask([outgoing], { timeoutMs, signal })) as T;
  }

  /**
   * Sends a message to every agent with a capability, or to all, but for the sender: to all of them or, if it fails, to
   * none.
   * @returns the ids of the messages, one for each agent, in the order of their names
   * @throws as `send` does
   */
  async broadcast(mail: AgentBroadcast): Promise<string[]> {
    const { capability, all, ...rest } = mail;
    if ((capability === undefined) === (all !== true)) {
      throw new GoalpostError(
        "INVALID_INPUT",
        "a broadcast is to { capability } or to { all: true }, one of them",
      );
    }
    if (capability !== undefined) {
      checkName(capability, "capability");
    }
    const first = this.#prepare({ ...rest, to: "everybody" });
    const names = await agentNames(this.#parts.driver, capability ?? null);
    const to = names.filter((name) => name !== first.from);
    const outgoing = to.map((name) => ({ ...first, to: name, id: uuidOf(`${first.id} ${name}`, NAMESPACE) }));
    if (outgoing.length > 0) {
      await this.#mailroom.store(outgoing);
    }
    return outgoing.map(({ id }) => id);
  }

  /** Messages to an agent, the oldest first. To turn the page, pass the last one's `seq` as `after`. @throws UNKNOWN_AGENT */
  async inbox(name: string, options: InboxOptions = {}): Promise<InboxMessage[]> {
    await this.#mailroom.checkRecipient(name, null);
    return readInbox(this.#parts.driver, name, options);
  }

  /** Messages to an agent that were given up. @throws UNKNOWN_AGENT */
  deadLetters(name: string, options: Omit<InboxOptions, "status"> = {}): Promise<InboxMessage[]> {
    return this.inbox(name, { ...options, status: "dead" });
  }

  /** Puts a dead letter back into its inbox, as the sender's last message. @throws INVALID_STATE if it is none */
  async retryDeadLetter(messageId: string): Promise<void> {
    this.#mailroom.throwIfClosed();
    checkText(messageId, { what: "messageId", most: 256 });
    await retryDeadLetter(this.#parts.driver, messageId, this.#parts.clock.databaseNow());
    this.#mailroom.look();
  }

  /** The agents that there are, by name: what they are for, who handles their messages, and how many wait. */
  list(): Promise<AgentSummary[]> {
    this.#mailroom.throwIfClosed();
    return listAgents(this.#parts.driver);
  }

  /** What steps use. */
  get port(): AgentPort {
    return {
      send: async (mail, replyTo) => {
        const { runId = null, name = null } = replyTo ?? {};
        const outgoing = {
          ...this.#prepare(mail),
          wantsReply: replyTo !== null,
          replyRun: runId,
          replySignal: name,
        };
        await this.#mailroom.checkRecipient(outgoing.to, outgoing.from);
        await this.#mailroom.store([outgoing]);
      },
      list: () => this.list(),
      describe: () => describeAgents(this.#parts.driver),
    };
  }

  async #unregister(host: AgentHost): Promise<void> {
    await host.drain();
    this.#mailroom.remove(host.name);
    if (!this.#mailroom.closed) {
      await unregisterAgent(this.#parts.driver, this.#parts.workerId, host.name);
    }
  }

  /** @throws INVALID_INPUT, CLOSED */
  #prepare(mail: AgentMail): OutgoingMail {
    this.#mailroom.throwIfClosed();
    const checked = checkMail(mail, this.#parts.maxBytes);
    return {
      ...checked,
      id: mail.messageId ?? newId(),
      to: mail.to,
      wantsReply: false,
      asker: null,
      replyRun: null,
      replySignal: null,
      held: null,
    };
  }
}
