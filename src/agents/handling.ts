import { v5 as uuidOf } from "uuid";
import type { AgentMail, AgentMessage, KeyedReplyOptions, ReplyOptions } from "../core/agent.ts";
import type { AgentContext, AgentDefinition } from "../core/agent-definition.ts";
import type { Clock } from "../core/clock.ts";
import { toErrorRecord } from "../core/error-record.ts";
import { GoalpostError, isGoalpostError, RetryAfterError } from "../core/errors.ts";
import { type Json, toJson } from "../core/json.ts";
import type { Logger } from "../core/logger.ts";
import type { ModelCalls } from "../core/model-calls.ts";
import { check, type ResolvedPolicy } from "../core/policy.ts";
import type { GoalResult } from "../core/results.ts";
import { retryDelayMs } from "../core/retry.ts";
import { makeAgentLlm } from "./agent-llm.ts";
import { checkMail, checkText } from "./check-mail.ts";
import type { HandedMessage, Held, OutgoingMail, Parcel, Receipt } from "./mail-protocol.ts";
import { Memo } from "./memo.ts";
import { Stopwatch } from "./stopwatch.ts";

/** What a handling needs of its client. */
export interface HandlingParts {
  readonly agent: string;
  readonly definition: AgentDefinition;
  readonly policy: ResolvedPolicy;
  readonly logger: Logger;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly store: (parcel: Parcel) => Promise<Receipt>;
  /** Resolves if there is such an agent. @throws UNKNOWN_AGENT, INVALID_INPUT to oneself */
  readonly checkRecipient: (to: unknown, from: string | null) => Promise<void> | undefined;
  /** Stores messages, the last of them a request, and waits for its reply. */
  readonly ask: (sends: readonly OutgoingMail[], options: ReplyOptions) => Promise<Json>;
  readonly client: string;
  readonly runGoal: RunGoal;
  readonly models: ModelCalls;
  /** It waits for something outside, and holds no slot until the returned function is called. */
  readonly leaveSlot: () => () => void;
}

/** Runs a goal, once for each key, and waits for its end. */
export type RunGoal = (
  call: Parameters<AgentContext["executeGoal"]>,
  run: { readonly key: string; readonly signal: AbortSignal },
) => Promise<GoalResult>;

/** How a handling ended. */
export type Ending =
  | { readonly how: "handled" | "dead"; readonly parcel: Omit<Parcel, "report"> }
  | { readonly how: "retry"; readonly parcel: Omit<Parcel, "report">; readonly delayMs: number }
  /** It was cut off from outside: that is no try. */
  | { readonly how: "given back" };

/** One handling of one message. */
export class Handling {
  readonly #parts: HandlingParts;
  readonly #held: Held;
  readonly #handed: HandedMessage;
  readonly #abort = new AbortController();
  readonly #message: AgentMessage;
  readonly #memo: Memo;
  readonly #stopwatch: Stopwatch;
  /** What is to be stored with its end. */
  #outbox: OutgoingMail[] = [];
  readonly #sending: Promise<unknown>[] = [];
  #calls = 0;
  #reply: string | undefined;
  #llm: AgentContext["llm"] | undefined;
  #late: GoalpostError | undefined;
  #over = false;

  constructor(parts: HandlingParts, held: Held, handed: HandedMessage) {
    this.#parts = parts;
    this.#held = held;
    this.#handed = handed;
    const { id, from, type, payload, conversation, wantsReply, atMs } = handed;
    this.#message = {
      id,
      from,
      to: parts.agent,
      type,
      payload,
      conversationId: conversation,
      at: new Date(atMs),
      wantsReply,
    };
    this.#memo = new Memo(handed.checkpoints, {
      maxBytes: parts.maxBytes,
      what: (key) => `ctx.once("${key}") of agent "${parts.agent}" was given`,
      store: (key, value) => this.#mark(key, value),
    });
    this.#stopwatch = new Stopwatch(parts.clock, parts.policy.timeoutMs, () => this.#timeOut());
  }

  abort(reason: GoalpostError): void {
    this.#abort.abort(reason);
  }

  async run(): Promise<Ending> {
    const { signal } = this.#abort;
    this.#stopwatch.start();
    try {
      const result = await untilAborted(() => this.#call(), signal);
      return this.#handled(result);
    } catch (error) {
      return signal.aborted && signal.reason !== this.#late ? { how: "given back" } : this.#failed(error);
    } finally {
      this.#over = true;
      this.#stopwatch.stop();
    }
  }

  async #call(): Promise<unknown> {
    const { definition } = this.#parts;
    const result = await definition.onMessage(this.#message, this.#context());
    // What was sent without await is sent all the same.
    for (let sending = this.#sending.shift(); sending; sending = this.#sending.shift()) {
      await sending;
    }
    return result;
  }

  #handled(result: unknown): Ending {
    const { id, wantsReply } = this.#handed;
    const value = wantsReply ? (this.#reply ?? this.#toJson(result, "returned")) : "null";
    const marked = this.#memo.isMarked;
    const note =
      wantsReply || marked ? { ...this.#held, id, word: "reply" as const, marked, value } : undefined;
    return { how: "handled", parcel: { note, ...(this.#outbox.length > 0 && { sends: this.#outbox }) } };
  }

  #failed(error: unknown): Ending {
    const { policy, logger, agent } = this.#parts;
    const { id, failures } = this.#handed;
    const attempt = failures + 1;
    const again = attempt < policy.maxAttempts && !(isGoalpostError(error) && !error.retryable);
    const record = toErrorRecord(error);
    logger.warn(
      { agent, messageId: id, attempt, code: record.code, retry: again },
      "a message could not be handled",
    );
    const word = again ? ("retry" as const) : ("dead" as const);
    const note = { ...this.#held, id, word, marked: this.#memo.isMarked, value: JSON.stringify(record) };
    if (!again) {
      return { how: "dead", parcel: { note } };
    }
    const asked = isGoalpostError(error) && error.name === RetryAfterError.name;
    const delayMs = asked
      ? (error as RetryAfterError).retryAfterMs
      : retryDelayMs(policy.retry, attempt, Math.random());
    return { how: "retry", parcel: { note }, delayMs };
  }

  #timeOut(): void {
    const { agent, policy } = this.#parts;
    this.#late = new GoalpostError(
      "STEP_TIMEOUT",
      `agent "${agent}" did not handle message ${this.#handed.id} within ${policy.timeoutMs} ms; ` +
        "raise its timeoutMs, or let it stop early when ctx.signal aborts",
    );
    this.#abort.abort(this.#late);
  }

  #context(): AgentContext {
    const { logger } = this.#parts;
    return {
      message: this.#message,
      attempt: this.#handed.failures + 1,
      signal: this.#abort.signal,
      log: logger,
      once: ((key, fn) => this.#during(() => this.#memo.once(key, fn))) as AgentContext["once"],
      llm: (request, options) =>
        this.#during(() => {
          this.#llm ??= this.#makeLlm();
          return this.#llm(request, options);
        }),
      send: (mail) => this.#send(mail),
      reply: (value) => this.#setReply(value),
      request: ((mail, options) =>
        this.#during(() => this.#request(mail, options))) as AgentContext["request"],
      // biome-ignore lint/complexity/useMaxParams: the call of AgentContext.
      executeGoal: (goal, decomposer, steps, options) =>
        this.#during(() => this.#executeGoal([goal, decomposer, steps, options])),
    };
  }

  #makeLlm(): AgentContext["llm"] {
    const { agent, models } = this.#parts;
    return makeAgentLlm({
      models,
      agent,
      messageId: this.#handed.id,
      attempt: this.#handed.failures + 1,
      signal: this.#abort.signal,
      once: (key, fn) => this.#memo.once(key, fn),
    });
  }

  /** @throws why the handling is over */
  #throwIfOver(): void {
    this.#abort.signal.throwIfAborted();
    if (this.#over) {
      throw new GoalpostError(
        "INVALID_STATE",
        `message ${this.#handed.id} to agent "${this.#parts.agent}" has been handled: its ctx is of no more use. ` +
          "Await what onMessage begins.",
      );
    }
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#throwIfOver();
    return work();
  }

  /** Waits for what others do: that takes no slot, and is not of the handler's time. */
  async #outside<T>(work: () => Promise<T>): Promise<T> {
    const enterSlot = this.#parts.leaveSlot();
    this.#stopwatch.pause();
    try {
      return await untilAborted(work, this.#abort.signal);
    } finally {
      enterSlot();
      if (!this.#over) {
        this.#stopwatch.start();
      }
    }
  }

  async #mark(key: string, value: string): Promise<void> {
    this.#throwIfOver();
    const mark = { ...this.#held, id: this.#handed.id, key, value };
    const { lost } = await this.#parts.store({ mark });
    if (lost) {
      throw new GoalpostError(
        "LEASE_LOST",
        `ctx.once("${key}") came too late: message ${this.#handed.id} is no longer this process's`,
      );
    }
  }

  #send(mail: Omit<AgentMail, "from">): Promise<string> {
    try {
      this.#throwIfOver();
      const outgoing = this.#prepare(mail, undefined);
      const checking = this.#parts.checkRecipient(outgoing.to, outgoing.from);
      const push = (): string => {
        this.#outbox.push(outgoing);
        return outgoing.id;
      };
      if (!checking) {
        return Promise.resolve(push());
      }
      const sending = checking.then(push);
      this.#sending.push(sending);
      return sending;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Ids are made from what is sent and in which order: a handler that is called again sends the same messages under the
   * same ids, and those that were stored with a request are not stored twice.
   */
  #prepare(mail: Omit<AgentMail, "from">, key: string | undefined): OutgoingMail {
    const { agent, maxBytes } = this.#parts;
    const checked = checkMail({ ...mail, from: agent }, maxBytes);
    this.#calls += 1;
    const name =
      key === undefined ? `${this.#calls} ${mail.to} ${checked.type} ${checked.payload}` : `/${key}`;
    return {
      ...checked,
      conversation: checked.conversation ?? this.#handed.conversation,
      id: mail.messageId ?? uuidOf(`${this.#handed.id} ${name}`, NAMESPACE),
      to: mail.to,
      wantsReply: false,
      asker: null,
      replyRun: null,
      replySignal: null,
      held: this.#held,
    };
  }

  async #request(mail: Omit<AgentMail, "from">, options: KeyedReplyOptions = {}): Promise<Json> {
    check(options.timeoutMs, { what: "ctx.request: timeoutMs", least: 1 });
    if (options.key !== undefined) {
      checkText(options.key, { what: "the key of ctx.request", most: 256 });
    }
    const request = { ...this.#prepare(mail, options.key), wantsReply: true, asker: this.#parts.client };
    await this.#parts.checkRecipient(request.to, request.from);
    const sends = [...this.#outbox, request];
    this.#outbox = [];
    const { signal } = this.#abort;
    return this.#outside(() => this.#parts.ask(sends, { timeoutMs: options.timeoutMs, signal }));
  }

  async #executeGoal(call: Parameters<AgentContext["executeGoal"]>): Promise<GoalResult> {
    const [, , , options] = call;
    checkText(options?.key, { what: "the key of ctx.executeGoal", most: 256 });
    const key = uuidOf(`${this.#handed.id} goal ${options.key}`, NAMESPACE);
    return this.#outside(() => this.#parts.runGoal(call, { key, signal: this.#abort.signal }));
  }

  #setReply(value: unknown): void {
    this.#throwIfOver();
    const { id, wantsReply, from } = this.#handed;
    if (!wantsReply) {
      throw new GoalpostError(
        "INVALID_STATE",
        `nobody waits for a reply to message ${id}${from === null ? "" : ` from "${from}"`}: it was sent, not requested. Send a message instead.`,
      );
    }
    if (this.#reply !== undefined) {
      throw new GoalpostError("INVALID_STATE", `message ${id} has been replied to already`);
    }
    this.#reply = this.#toJson(value, "replied");
  }

  #toJson(value: unknown, verb: string): string {
    const { agent, maxBytes } = this.#parts;
    const text = toJson(value, `agent "${agent}" ${verb}`);
    if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) {
      throw new GoalpostError(
        "OUTPUT_TOO_LARGE",
        `agent "${agent}" ${verb} ${Buffer.byteLength(text)} bytes of JSON; ${maxBytes} are allowed. ` +
          "Store large data elsewhere and return where it is, or raise workers.maxOutputBytes.",
      );
    }
    return text;
  }
}

/** Ids of what handlers send are made in it. */
const NAMESPACE = "5f0f3b0e-6a0f-4c57-9f53-1d0b8f6f7a11";

/** @throws INVALID_STATE, LEASE_LOST if a message was not stored, and is not there either */
export function refuseUnsent(id: string, refusal: Receipt["sent"][number] | undefined): void {
  if (refusal === "conflict") {
    throw new GoalpostError(
      "INVALID_STATE",
      `message id ${JSON.stringify(id)} is that of another message; an id stands for one message to one agent`,
    );
  }
  if (refusal === "stale") {
    throw new GoalpostError(
      "LEASE_LOST",
      `message ${id} came too late: its sender's work is no longer this process's`,
    );
  }
}

function untilAborted<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}
