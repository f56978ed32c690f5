import { v7 as newId } from "uuid";
import { GoalpostError, isGoalpostError } from "../core/errors.ts";
import { type Json, toJson } from "../core/json.ts";
import { checkName } from "../core/names.ts";
import { check } from "../core/policy.ts";
import type { ChannelHub, HubParts } from "./channel-hub.ts";
import { type Message, type MessageHandler, toMessage } from "./message.ts";
import { type Outgoing, readMessages, sendMessage, sendNotice } from "./messages.ts";
import type { Subscription } from "./subscription.ts";

const HISTORY_LIMIT = { usual: 100, most: 1000 };

/** From where a channel is listened to. */
export interface ListenOptions {
  /**
   * The `seq` of the last message that is not wanted: stored messages after it come first, then what is sent from now
   * on. 0: everything there is. Default: only what is sent from now on.
   */
  readonly after?: number | undefined;
}

/** Which part of a channel's history is wanted. */
export interface HistoryOptions {
  /** The `seq` of the last message that is not wanted: the next ones are returned. Default: the newest are. */
  readonly after?: number | undefined;
  /** How many at most, from 1 to 1000. Default 100. */
  readonly limit?: number | undefined;
}

/**
 * `gp.channels`: named streams of messages between processes that share a database. A channel comes into being with its
 * first message. The messages of a channel have one order for everybody, that in which they were committed: `seq` counts
 * them from 1 without gaps, and is the cursor to go on from.
 */
export class Channels {
  readonly #parts: HubParts;
  readonly #hub: ChannelHub;

  constructor(parts: HubParts, hub: ChannelHub) {
    this.#parts = parts;
    this.#hub = hub;
  }

  /**
   * Stores a message and tells those who listen, in one transaction. Senders to one channel take turns.
   * @param message anything that JSON can hold, of any size
   * @returns the message's id
   * @throws INVALID_INPUT (`details.path` says where JSON cannot hold it), CLOSED
   */
  async send(channel: string, message: unknown): Promise<string> {
    const outgoing = this.#prepare(channel, message);
    await sendMessage(this.#parts.driver, outgoing);
    return outgoing.id;
  }

  /**
   * Tells those who listen now, without storing the message: it takes no `seq`, and is not in the history. It waits for
   * its listeners for 30 s, so a connection that breaks and comes back, or a handler that is busy, misses nothing within
   * that time; who was away for longer, or begins to listen later, never gets it. A crash of the database loses it.
   * @param message anything that JSON can hold, of any size
   * @returns the message's id
   * @throws INVALID_INPUT (`details.path` says where JSON cannot hold it), CLOSED
   */
  async notify(channel: string, message: unknown): Promise<string> {
    const outgoing = this.#prepare(channel, message);
    await sendNotice(this.#parts.driver, outgoing);
    return outgoing.id;
  }

  /**
   * Calls the handler for every message of a channel, in order, one at a time, from when this has resolved until the
   * subscription or the client is closed. With `after`, stored messages come first; between them and new ones none is
   * missing and none comes twice. Connections that break are made again, and reading goes on where it was; where LISTEN
   * does not work (a transaction pooler, a pool of one connection) the database is asked every 500 ms.
   *
   * A handler that throws is logged, and the next message follows: keep `message.seq` where the work is kept, and pass it
   * as `after` next time. Messages that were pruned before they were read are left out.
   * @throws INVALID_INPUT, CLOSED
   */
  async listen<Payload = Json>(
    channel: string,
    handler: MessageHandler<Payload>,
    options: ListenOptions = {},
  ): Promise<Subscription> {
    checkName(channel, "channel");
    checkAfter(options.after);
    if (typeof handler !== "function") {
      throw new GoalpostError("INVALID_INPUT", `the handler is ${typeof handler}; it must be a function`);
    }
    return this.#hub.listen({ channel, handler: handler as MessageHandler, after: options.after });
  }

  /**
   * Stored messages, the newest last: those after `after`, or the newest. To turn the page, pass the last one's `seq` as
   * `after`; it means the same however many messages are sent meanwhile.
   * @throws INVALID_INPUT, CLOSED
   */
  async history<Payload = Json>(channel: string, options: HistoryOptions = {}): Promise<Message<Payload>[]> {
    this.#hub.throwIfClosed();
    checkName(channel, "channel");
    const { after = null, limit = HISTORY_LIMIT.usual } = options;
    checkAfter(options.after);
    check(limit, { what: "limit", least: 1, whole: true });
    if (limit > HISTORY_LIMIT.most) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `limit is ${limit}; it must be at most ${HISTORY_LIMIT.most}. Ask for the next page with after.`,
      );
    }
    const span = { channel, after, upTo: null, limit, bytes: null };
    return (await readMessages(this.#parts.driver, span)).map(toMessage) as Message<Payload>[];
  }

  #prepare(channel: string, message: unknown): Outgoing {
    this.#hub.throwIfClosed();
    checkName(channel, "channel");
    const payload = messageToJson(message, `the message for channel "${channel}" is`);
    return { channel, id: newId(), payload, now: this.#parts.clock.databaseNow() };
  }
}

/** @throws INVALID_INPUT */
function checkAfter(after: unknown): void {
  check(after, { what: "after", least: 0, whole: true });
  if (after !== undefined && !Number.isSafeInteger(after)) {
    throw new GoalpostError("INVALID_INPUT", `after is ${after}; it must be the seq of a message, or 0`);
  }
}

/** @throws INVALID_INPUT */
function messageToJson(message: unknown, what: string): string {
  try {
    return toJson(message, what);
  } catch (error) {
    throw new GoalpostError("INVALID_INPUT", error instanceof Error ? error.message : String(error), {
      cause: error,
      ...(isGoalpostError(error) && error.details && { details: error.details }),
    });
  }
}
