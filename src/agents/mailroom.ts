import type { ReplyOptions } from "../core/agent.ts";
import type { AgentDefinition } from "../core/agent-definition.ts";
import type { Clock } from "../core/clock.ts";
import type { Driver } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Logger } from "../core/logger.ts";
import type { ModelCalls } from "../core/model-calls.ts";
import { checkName } from "../core/names.ts";
import { resolvePolicy } from "../core/policy.ts";
import { AgentBell } from "./agent-bell.ts";
import { AgentHost } from "./agent-host.ts";
import { toOneself, unknownAgent } from "./check-mail.ts";
import { type RunGoal, refuseUnsent } from "./handling.ts";
import { agentNames } from "./inbox.ts";
import { MailExchange } from "./mail-exchange.ts";
import type { MailReply, OutgoingMail } from "./mail-protocol.ts";
import { Replies } from "./replies.ts";

export const DEFAULT_CONCURRENCY = 10;
/** How often inboxes are looked into: the net under the notifications. */
const POLL_MS = 500;

/** What agents need of the client. */
export interface MailroomParts {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The worker by whose lease messages are held. */
  readonly workerId: string;
  /** no: messages are sent only. ticked: they are handled by tick() only. */
  readonly handles: "always" | "ticked" | "no";
  readonly maxBytes: number;
  readonly isTransient: (error: unknown) => boolean;
  readonly runGoal: RunGoal;
  readonly models: ModelCalls;
}

/** What moves messages between one client and the inboxes: what is sent, handled and replied goes through here. */
export class Mailroom {
  readonly #parts: MailroomParts;
  readonly #exchange: MailExchange;
  readonly #bell: AgentBell;
  readonly #replies: Replies;
  readonly #hosts = new Map<string, AgentHost>();
  readonly #known = new Set<string>();
  #names: Promise<string[]> | undefined;
  #taking: boolean;
  #closed = false;
  #cancelPoll: (() => void) | undefined;
  #cancelDue: (() => void) | undefined;

  constructor(parts: MailroomParts) {
    this.#parts = parts;
    this.#taking = parts.handles === "always";
    this.#replies = new Replies(parts.clock, () => this.#watch());
    this.#exchange = new MailExchange({
      ...parts,
      worker: parts.workerId,
      rooms: () => this.#rooms(),
      asks: () => this.#replies.take(),
      deliver: (reply) => this.#deliver(reply),
    });
    this.#bell = new AgentBell({
      ...parts,
      onMessages: (agents) => {
        if (
          this.#taking &&
          (agents === null || agents.some((name) => (this.#hosts.get(name)?.room ?? 0) > 0))
        ) {
          this.#exchange.poll();
        }
      },
      onReplies: (clients) => {
        if (clients.includes(parts.workerId)) {
          this.look();
        }
      },
      onReconnect: () => this.look(),
    });
  }

  /** Handles the messages of an agent from now on, until it is removed. */
  add(name: string, definition: AgentDefinition): AgentHost {
    const host = this.#makeHost(name, definition);
    this.#hosts.set(name, host);
    return host;
  }

  get closed(): boolean {
    return this.#closed;
  }

  has(name: string): boolean {
    return this.#hosts.has(name);
  }

  remove(name: string): void {
    this.#hosts.delete(name);
  }

  /** The agent of a host is stored: its messages can come. */
  opened(name: string): void {
    this.#known.add(name);
    this.look();
    this.#watch();
  }

  /**
   * Stores a request, what is to be stored with it before it, and waits for its reply.
   * @throws WAIT_TIMEOUT, INVALID_STATE, LEASE_LOST; what the agent failed with
   */
  async ask(sends: readonly OutgoingMail[], { timeoutMs, signal }: ReplyOptions): Promise<Json> {
    const request = sends.at(-1) as OutgoingMail;
    const unsent = new AbortController();
    const signals = signal ? [signal, unsent.signal] : [unsent.signal];
    // First, so that a reply finds somebody who waits for it.
    const waiting = this.#replies.wait(request, { timeoutMs, signal: AbortSignal.any(signals) });
    waiting.catch(() => undefined);
    try {
      const { sent } = await this.#exchange.add({ sends });
      refuseUnsent(request.id, sent.at(-1));
      if (sent.at(-1) === "seen") {
        // The reply may have been there before anybody here waited for it.
        this.look();
      }
    } catch (error) {
      unsent.abort();
      throw error;
    }
    return waiting;
  }

  /** Handles what is there now, and no more; returns how many messages that were. For clients that tick. */
  async tick(): Promise<number> {
    const hosts = [...this.#hosts.values()];
    if (hosts.length === 0 && this.#replies.size === 0) {
      return 0;
    }
    const before = countOf(hosts);
    this.#taking = true;
    this.look();
    await this.#exchange.drained();
    await this.#settled(hosts);
    // A reply may be there by now, and let a handler go on.
    this.look();
    await this.#exchange.drained();
    await this.#settled(hosts);
    return countOf(hosts) - before;
  }

  async #settled(hosts: readonly AgentHost[]): Promise<void> {
    await new Promise(setImmediate);
    await Promise.all(hosts.map((host) => host.quiet()));
    await this.#exchange.drained();
  }

  /** Others may have taken what is under way. */
  lapsed(): void {
    for (const host of this.#hosts.values()) {
      host.lapsed();
    }
  }

  /** Handles nothing more, while the workers stop: one grace for both. Messages can be sent until then. */
  async stop(graceMs: number, stopWorkers: () => Promise<void>): Promise<void> {
    await Promise.all([this.#drain(graceMs), stopWorkers()]);
    await this.#close(graceMs);
  }

  /** Handles nothing more; waits up to `graceMs` for what is under way, then aborts it. Messages can still be sent. */
  async #drain(graceMs: number): Promise<void> {
    this.#taking = false;
    const hosts = [...this.#hosts.values()];
    const ended = Promise.all(hosts.map((host) => host.drain()));
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#parts.clock.timer(graceMs, resolve);
    });
    await Promise.race([ended, late]);
    cancel();
    for (const host of hosts) {
      host.abort();
    }
    await ended;
  }

  /** Hands in what is known, and stops. */
  async #close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#replies.close();
    this.#cancelPoll?.();
    this.#cancelDue?.();
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#parts.clock.timer(Math.max(graceMs, POLL_MS), resolve);
    });
    await Promise.race([this.#exchange.drained(), late]);
    cancel();
    this.#exchange.stop();
    await this.#bell.stop();
  }

  #makeHost(agent: string, definition: AgentDefinition): AgentHost {
    const { clock, logger, maxBytes, runGoal, models, workerId } = this.#parts;
    return new AgentHost({
      agent,
      definition,
      policy: resolvePolicy(definition),
      concurrency: definition.concurrency ?? DEFAULT_CONCURRENCY,
      clock,
      logger,
      maxBytes,
      runGoal,
      models,
      client: workerId,
      store: (parcel) => this.#exchange.add(parcel),
      checkRecipient: (to, from) => this.checkRecipient(to, from),
      ask: (sends, options) => this.ask(sends, options),
      onRoom: () => this.#taking && this.#exchange.poll(),
    });
  }

  /** Stores messages: all, or none. @throws INVALID_STATE */
  async store(sends: readonly OutgoingMail[]): Promise<void> {
    const { sent } = await this.#exchange.add({ sends });
    for (const [index, refusal] of sent.entries()) {
      refuseUnsent(sends[index]?.id ?? "", refusal);
    }
  }

  /** Most recipients are known already: then it need not be waited for. */
  checkRecipient(to: unknown, from: string | null): Promise<void> | undefined {
    checkName(to, "agent");
    return to !== from && this.#known.has(to as string) ? undefined : this.#lookUp(to as string, from);
  }

  async #lookUp(to: string, from: string | null): Promise<void> {
    this.throwIfClosed();
    this.#names ??= agentNames(this.#parts.driver, null).finally(() => {
      this.#names = undefined;
    });
    const names = await this.#names;
    for (const name of names) {
      this.#known.add(name);
    }
    if (to === from) {
      throw toOneself(to, names);
    }
    if (!names.includes(to)) {
      throw unknownAgent(to, names);
    }
  }

  #rooms(): [string, number][] {
    const hosts = this.#taking ? [...this.#hosts.values()] : [];
    // A tick takes once: what its messages lead to is the next one's.
    this.#taking &&= this.#parts.handles === "always";
    return hosts.filter((host) => host.room > 0).map((host) => [host.name, host.room]);
  }

  #deliver({ streams, stale, replies, dueInMs }: MailReply): void {
    for (const held of stale) {
      for (const host of this.#hosts.values()) {
        host.lost(held);
      }
    }
    this.#replies.answered(replies);
    for (const stream of streams) {
      const host = this.#hosts.get(stream.agent);
      if (host) {
        host.take(stream);
      } else {
        // It was closed while this was on its way.
        const doneSeq = (stream.messages[0]?.seq ?? stream.lastSeq + 1) - 1;
        const report = {
          stream: stream.stream,
          delivery: stream.delivery,
          doneSeq,
          word: "release",
          delayMs: 0,
        } as const;
        this.#exchange.add({ report }).catch(() => undefined);
      }
    }
    this.#cancelDue?.();
    this.#cancelDue = undefined;
    if (dueInMs !== null && dueInMs < POLL_MS && this.#parts.handles === "always") {
      this.#cancelDue = this.#parts.clock.timer(Math.ceil(dueInMs), () => this.#exchange.poll());
    }
  }

  /** Looks for messages and replies now. */
  look(): void {
    this.#replies.dueNow();
    if (!this.#closed) {
      this.#exchange.poll();
    }
  }

  /** Hears of messages and replies from now on, where that is possible. */
  async listen(): Promise<void> {
    if (this.#parts.handles !== "ticked") {
      await this.#bell.start();
    }
  }

  /** Polls for as long as there is something to look for. */
  #watch(): void {
    if (this.#closed || (this.#hosts.size === 0 && this.#replies.size === 0)) {
      return;
    }
    this.#cancelPoll ??= this.#parts.clock.timer(POLL_MS, () => {
      this.#cancelPoll = undefined;
      this.look();
      this.#watch();
    });
  }

  /** @throws CLOSED */
  throwIfClosed(): void {
    if (this.#closed) {
      throw new GoalpostError("CLOSED", "the client is closed; open another one to use agents");
    }
  }
}

function countOf(hosts: readonly AgentHost[]): number {
  return hosts.reduce((sum, host) => sum + host.count, 0);
}
