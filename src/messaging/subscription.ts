import { AsyncLocalStorage } from "node:async_hooks";
import type { Logger } from "../core/logger.ts";
import { type MessageHandler, type RawMessage, toMessage } from "./message.ts";
import type { NoticeRef, Span } from "./messages.ts";

/** Read at once: so many messages, and no more once they have reached so many bytes. */
const PAGE = { limit: 100, bytes: 1024 * 1024 };
const NOTICES_AT_ONCE = 32;
/** A handler this far behind misses notices; by then they have had their time anyway. */
const MAX_NOTICES = 10_000;

/** Listening to one channel; made by {@link Channels.listen}. */
export interface Subscription extends AsyncDisposable {
  readonly channel: string;
  /**
   * Ends it: once this has resolved, the handler is not called and not running. Called from within the handler it does
   * not wait for that very call. Calling it again is the same as calling it once.
   */
  close(): Promise<void>;
}

/** What a subscription is made of. */
export interface SubscriberOptions {
  readonly channel: string;
  readonly handler: MessageHandler;
  /** Seq of the last message that is not wanted; undefined: everything there is at the beginning. */
  readonly after: number | undefined;
  readonly logger: Logger;
  /** `target` is the newest message that is known of: a reading that began before that was known will not do. */
  readonly readMessages: (span: Span, target: number) => Promise<readonly RawMessage[]>;
  readonly readNotices: (refs: readonly NoticeRef[]) => Promise<readonly RawMessage[]>;
  /** Takes it off the list of those who are told what is new. */
  readonly leave: () => Promise<void>;
}

/** The subscription whose handler is running. */
const handling = new AsyncLocalStorage<Subscriber>();

/**
 * Takes one handler through one channel: reads on from its cursor for as long as there is something after it, then
 * waits to be told. What it is told is never what it delivers: that it reads, so a hint that is lost, late, double or
 * wrong changes nothing but the time.
 */
export class Subscriber implements Subscription {
  readonly channel: string;
  readonly #options: SubscriberOptions;
  /** Seq of the last message that was delivered. */
  #cursor = 0;
  /** Seq of the newest message that a look has seen; and that somebody has spoken of. */
  #lastSeq = 0;
  #hint = 0;
  #notices: NoticeRef[] = [];
  #woken = false;
  #resume: (() => void) | undefined;
  #calling: Promise<void> | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(options: SubscriberOptions) {
    this.channel = options.channel;
    this.#options = options;
  }

  /** The channel was looked at for the first time: from here on. */
  begin(lastSeq: number): void {
    this.#cursor = this.#options.after ?? lastSeq;
    this.#lastSeq = lastSeq;
    void this.#run();
  }

  /** The channel was looked at. */
  update(lastSeq: number, notices: readonly NoticeRef[]): void {
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq);
    this.#notices.push(...notices);
    if (this.#notices.length > MAX_NOTICES) {
      this.#notices = this.#notices.slice(-MAX_NOTICES);
    }
    this.#wake();
  }

  /** There is said to be a message. */
  hint(seq: number): void {
    this.#hint = Math.max(this.#hint, seq);
    this.#wake();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    const own = handling.getStore() === this;
    return own ? Promise.resolve() : this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await Promise.all([this.#options.leave(), this.#calling]);
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      this.#woken = false;
      const messages = await this.#read();
      if (messages === undefined) {
        await this.#untilWoken();
      }
      for (const message of messages ?? []) {
        if (this.#closed) {
          return;
        }
        this.#calling = this.#deliver(message);
        await this.#calling;
      }
    }
  }

  /** What comes next; undefined if there is nothing to be had now. */
  async #read(): Promise<readonly RawMessage[] | undefined> {
    const notice = this.#notices[0];
    const target = Math.max(this.#lastSeq, this.#hint);
    // Not beyond what was announced: a notice may be on its way that belongs before what is there by now.
    const upTo = Math.min(target, notice?.afterSeq ?? target);
    try {
      if (this.#cursor < upTo) {
        return await this.#readPage(target, upTo);
      }
      return notice && (await this.#readNotices());
    } catch (error) {
      const { logger, channel } = this.#options;
      logger.warn({ channel, error: String(error) }, "messages could not be read; reading again");
      return undefined;
    }
  }

  async #readPage(target: number, upTo: number): Promise<readonly RawMessage[]> {
    const { channel, readMessages } = this.#options;
    const lastSeq = this.#lastSeq;
    const page = await readMessages({ channel, after: this.#cursor, upTo, ...PAGE }, target);
    if (page.length === 0) {
      // What a look has seen and is not there was pruned; what was only spoken of was a false alarm.
      this.#cursor = Math.max(this.#cursor, Math.min(lastSeq, upTo));
      if (upTo > lastSeq && this.#hint === upTo) {
        this.#hint = 0;
      }
    }
    return page;
  }

  /** Notices whose place in the channel has been reached. */
  async #readNotices(): Promise<readonly RawMessage[]> {
    const waiting = this.#notices.findIndex((ref) => ref.afterSeq > this.#cursor);
    const due = Math.min(NOTICES_AT_ONCE, waiting < 0 ? this.#notices.length : waiting);
    const refs = this.#notices.splice(0, due);
    try {
      return await this.#options.readNotices(refs);
    } catch (error) {
      this.#notices.unshift(...refs);
      throw error;
    }
  }

  async #deliver(raw: RawMessage): Promise<void> {
    const { channel, handler, logger } = this.#options;
    try {
      const message = toMessage(raw);
      await handling.run(this, async () => handler(message));
    } catch (error) {
      const { id, seq } = raw;
      logger.error({ channel, id, seq, error: String(error) }, "a handler failed; the next message follows");
    }
    if (raw.stored) {
      this.#cursor = raw.seq;
    }
  }

  #wake(): void {
    this.#woken = true;
    this.#resume?.();
  }

  /** Returns at once if something came up since the last reading began. */
  async #untilWoken(): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
  }
}
