import type { Clock } from "../core/clock.ts";
import type { Driver } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import {
  encodeParcels,
  type MailReply,
  type Parcel,
  parseMail,
  type Receipt,
  sizeOf,
} from "./mail-protocol.ts";

const EXCHANGE =
  "select goalpost.agent_exchange($1::uuid, $2::bigint, $3::json, $4::int, $5::json, $6::json, $7::json, $8::json, $9::json, $10::json, $11::json, $12::text[], $13::timestamptz) as reply";

/** At most this many parcels, and about this much text, go into one call. */
const MAX_PARCELS = 1000;
const MAX_CHARACTERS = 8 * 1024 * 1024;
/** Messages of one stream that are handed out at once. */
const MAX_MESSAGES = 200;
const REPEAT_MS = { first: 20, most: 2000 };

interface Waiting {
  readonly parcel: Parcel;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

export interface MailExchangeOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly worker: string;
  /** Whether a call that failed is worth repeating as it is. */
  readonly isTransient: (error: unknown) => boolean;
  /** How many streams of which agents may be handed out now. */
  readonly rooms: () => readonly (readonly [agent: string, streams: number])[];
  /** Ids of the requests whose replies are to be looked for now. */
  readonly asks: () => readonly string[];
  readonly deliver: (reply: MailReply) => void;
}

/**
 * The line between one client and the inboxes: what is sent and what was handled goes in, streams to be handled come
 * out, one call at a time. A call without an answer is repeated with the same number until it has one.
 */
export class MailExchange {
  readonly #options: MailExchangeOptions;
  #waiting: Waiting[] = [];
  #call = 0;
  #busy = false;
  #scheduled = false;
  #pollAsked = false;
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(options: MailExchangeOptions) {
    this.#options = options;
  }

  /** Hands a parcel in; resolves once it is stored. */
  add(parcel: Parcel): Promise<Receipt> {
    if (this.#stopped) {
      return Promise.reject(closedError());
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ parcel, resolve, reject });
      this.#schedule();
    });
  }

  /** Looks for messages and replies although there may be nothing to hand in. */
  poll(): void {
    this.#pollAsked = true;
    this.#schedule();
  }

  /** Resolves when nothing is waiting or under way. */
  drained(): Promise<void> {
    if (!this.#busy && this.#waiting.length === 0 && !this.#pollAsked) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Sends nothing more; what is waiting is rejected. */
  stop(): void {
    this.#stopped = true;
    for (const { reject } of this.#waiting.splice(0)) {
      reject(closedError());
    }
  }

  #schedule(): void {
    if (!this.#busy && !this.#scheduled && !this.#stopped) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        void this.#run();
      });
    }
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (!this.#stopped && (this.#waiting.length > 0 || this.#pollAsked)) {
      await this.#send(this.#takeBatch());
      // What was handed out is handled first, as far as it can be at once: its reports go with the next call.
      await new Promise(setImmediate);
    }
    this.#busy = false;
    for (const idle of this.#idle.splice(0)) {
      idle();
    }
  }

  #takeBatch(): Waiting[] {
    let count = 0;
    for (let size = 0; count < this.#waiting.length && count < MAX_PARCELS; count++) {
      size += sizeOf((this.#waiting[count] as Waiting).parcel);
      if (size > MAX_CHARACTERS && count > 0) {
        break;
      }
    }
    return this.#waiting.splice(0, count);
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    try {
      const reply = await this.#untilAnswered(this.#values(batch.map(({ parcel }) => parcel)));
      this.#options.deliver(reply);
      settle(batch, reply);
    } catch (error) {
      await this.#takeApart(batch, error);
    }
  }

  /** What the database will not take stands alone. */
  async #takeApart(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length > 1) {
      const half = Math.ceil(batch.length / 2);
      await this.#send(batch.slice(0, half));
      await this.#send(batch.slice(half));
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    const refused = this.#stopped
      ? closedError()
      : new GoalpostError("DATABASE_REFUSED", `the database refused to store this: ${message}`, {
          cause: error,
        });
    this.#options.logger.error({ error: message }, "the database refused messages, or to hand them out");
    batch[0]?.reject(refused);
  }

  #values(parcels: readonly Parcel[]): unknown[] {
    this.#call += 1;
    this.#pollAsked = false;
    const { worker, clock } = this.#options;
    const rooms = this.#options.rooms();
    const asks = this.#options.asks();
    const batch = encodeParcels(parcels);
    return [
      worker,
      this.#call,
      rooms.length > 0 ? JSON.stringify(rooms) : null,
      MAX_MESSAGES,
      batch.reports,
      batch.notes,
      batch.values,
      batch.sends,
      batch.payloads,
      batch.marks,
      batch.marked,
      asks.length > 0 ? asks : null,
      clock.databaseNow(),
    ];
  }

  async #untilAnswered(values: readonly unknown[]): Promise<MailReply> {
    const { driver, logger, isTransient } = this.#options;
    for (let delayMs = REPEAT_MS.first; ; delayMs = Math.min(REPEAT_MS.most, delayMs * 2)) {
      try {
        const rows = await driver.queryNamed<{ reply: string }>("goalpost_agent_exchange", EXCHANGE, values);
        return parseMail(rows[0]?.reply ?? "{}");
      } catch (error) {
        if (this.#stopped || !isTransient(error)) {
          throw error;
        }
        logger.warn({ error: String(error), delayMs }, "the database did not answer; asking again");
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        if (this.#stopped) {
          throw error;
        }
      }
    }
  }
}

function settle(batch: readonly Waiting[], reply: MailReply): void {
  let sent = 0;
  let marks = 0;
  for (const { parcel, resolve } of batch) {
    const first = sent;
    sent += parcel.sends?.length ?? 0;
    const lost = parcel.mark !== undefined && reply.lost.has(marks);
    marks += parcel.mark ? 1 : 0;
    resolve({ sent: parcel.sends?.map((_, index) => reply.sent.get(first + index) ?? null) ?? [], lost });
  }
}

function closedError(): GoalpostError {
  return new GoalpostError("CLOSED", "the client is closed; open another one to use agents");
}
