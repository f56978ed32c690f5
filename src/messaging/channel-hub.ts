import type { Clock } from "../core/clock.ts";
import type { Driver } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { Doorbell } from "./doorbell.ts";
import type { MessageHandler, RawMessage } from "./message.ts";
import { type ChannelNews, lookAtChannels, readMessages, readNotices } from "./messages.ts";
import { Subscriber, type Subscription } from "./subscription.ts";

/** How often the database is looked at while LISTEN works: the net under it. And while it does not. */
const LOOK_MS = { listening: 2000, polling: 500 };

/** What channels need of the client. */
export interface HubParts {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A channel that somebody here listens to. */
interface WatchedChannel {
  readonly name: string;
  /** What the last look at it could see. */
  since: string | null;
  readonly subscribers: Set<Subscriber>;
  /** Those who begin with the next look. */
  readonly joining: Map<Subscriber, { resolve: () => void; reject: (error: unknown) => void }>;
}

/** Who listens to what, and from where. */
export interface ListenRequest {
  readonly channel: string;
  readonly handler: MessageHandler;
  readonly after: number | undefined;
}

/**
 * Tells the subscriptions of one client what is new. Notifications say where to look; a look now and then is the net
 * under them, and all there is where LISTEN does not work (behind a transaction pooler). Whether it works is tried: a
 * probe that is sent must come back. Without subscriptions there is no LISTEN, no look and no timer.
 */
export class ChannelHub {
  readonly #parts: HubParts;
  readonly #channels = new Map<string, WatchedChannel>();
  readonly #subscribers = new Set<Subscriber>();
  /** Channels to look at next, and those being looked at. */
  readonly #due = new Set<WatchedChannel>();
  #looked: ReadonlySet<WatchedChannel> = new Set();
  #looking = false;
  #failing = false;
  readonly #reads = new Map<string, Promise<readonly RawMessage[]>>();
  readonly #doorbell: Doorbell;
  #cancelLook: (() => void) | undefined;
  #refusing = false;
  #closed = false;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#doorbell = new Doorbell({
      ...parts,
      onRing: (payload) => this.#announced(payload),
      onWorks: () => {
        this.#cancelLook?.();
        this.#cancelLook = undefined;
        this.#lookLater();
      },
      onReconnect: () => this.#look(this.#channels.values()),
    });
  }

  /** @throws CLOSED once the client is closed */
  throwIfClosed(): void {
    if (this.#closed) {
      throw closedError();
    }
  }

  /** The client is closing: what is listened to goes on for now, nobody begins any more. */
  refuseListeners(): void {
    this.#refusing = true;
    for (const channel of this.#channels.values()) {
      for (const { reject } of channel.joining.values()) {
        reject(closedError());
      }
      channel.joining.clear();
    }
  }

  #throwIfRefusing(): void {
    if (this.#refusing) {
      throw closedError();
    }
  }

  /** Resolves once every message that is sent from now on will reach the handler. @throws CLOSED */
  async listen({ channel: name, handler, after }: ListenRequest): Promise<Subscription> {
    this.#throwIfRefusing();
    const { driver, logger } = this.#parts;
    const subscriber: Subscriber = new Subscriber({
      channel: name,
      handler,
      after,
      logger,
      readMessages: (span, target) =>
        this.#readOnce(`${name} ${span.after} ${span.upTo} ${target}`, () => readMessages(driver, span)),
      readNotices: (refs) =>
        this.#readOnce(`${name} ! ${refs.map((ref) => ref.ordinal)}`, () => readNotices(driver, name, refs)),
      leave: () => this.#leave(subscriber),
    });
    this.#subscribers.add(subscriber);
    try {
      await this.#doorbell.start();
      this.#throwIfRefusing();
      await this.#join(name, subscriber);
      return subscriber;
    } catch (error) {
      await subscriber.close();
      throw error;
    }
  }

  /** Ends every subscription; waits for handlers that are running, but not longer than `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.refuseListeners();
    const ended = Promise.all([...this.#subscribers].map((subscriber) => subscriber.close()));
    if (graceMs > 0) {
      const cleanUps: (() => void)[] = [];
      const late = new Promise<void>((resolve) => {
        cleanUps.push(this.#parts.clock.timer(graceMs, resolve));
      });
      await Promise.race([ended, late]);
      cleanUps.forEach((cleanUp) => {
        cleanUp();
      });
    }
    await this.#doorbell.stop();
  }

  #join(name: string, subscriber: Subscriber): Promise<void> {
    const channel: WatchedChannel = this.#channels.get(name) ?? {
      name,
      since: null,
      subscribers: new Set(),
      joining: new Map(),
    };
    this.#channels.set(name, channel);
    return new Promise((resolve, reject) => {
      channel.joining.set(subscriber, { resolve, reject });
      this.#look([channel]);
    });
  }

  async #leave(subscriber: Subscriber): Promise<void> {
    const channel = this.#channels.get(subscriber.channel);
    channel?.subscribers.delete(subscriber);
    channel?.joining.get(subscriber)?.reject(closedError());
    channel?.joining.delete(subscriber);
    if (channel && channel.subscribers.size + channel.joining.size === 0) {
      this.#channels.delete(channel.name);
      this.#due.delete(channel);
    }
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size === 0) {
      this.#cancelLook?.();
      this.#cancelLook = undefined;
      await this.#doorbell.stop();
    }
  }

  /** Subscriptions that are at one place read together. */
  #readOnce(key: string, read: () => Promise<readonly RawMessage[]>): Promise<readonly RawMessage[]> {
    const reading = this.#reads.get(key) ?? read().finally(() => this.#reads.delete(key));
    this.#reads.set(key, reading);
    return reading;
  }

  #announced(payload: string): void {
    const end = payload.lastIndexOf(":");
    const channel = this.#channels.get(payload.slice(0, end));
    const seq = Number(payload.slice(end + 1));
    if (!channel) {
      return;
    }
    // What was announced before it and has yet to be looked at comes first.
    if (Number.isSafeInteger(seq) && !this.#due.has(channel) && !this.#looked.has(channel)) {
      for (const subscriber of channel.subscribers) {
        subscriber.hint(seq);
      }
    } else {
      this.#look([channel]);
    }
  }

  #look(channels: Iterable<WatchedChannel>): void {
    for (const channel of channels) {
      this.#due.add(channel);
    }
    if (!this.#looking) {
      void this.#lookAtAllDue();
    }
  }

  /** One statement at a time, for as long as there is something to look at. */
  async #lookAtAllDue(): Promise<void> {
    this.#looking = true;
    while (this.#due.size > 0) {
      const channels = [...this.#due];
      this.#due.clear();
      this.#looked = new Set(channels);
      const joining = new Map(channels.map((channel) => [channel, [...channel.joining]]));
      try {
        const news = await lookAtChannels(this.#parts.driver, channels, this.#doorbell.nextProbe());
        this.#failing = false;
        for (const [index, channel] of channels.entries()) {
          tell(channel, news[index], joining.get(channel) ?? []);
        }
      } catch (error) {
        this.#failed(error, channels);
        for (const [subscriber, { reject }] of [...joining.values()].flat()) {
          this.#channels.get(subscriber.channel)?.joining.delete(subscriber);
          reject(error);
        }
        break;
      }
    }
    this.#looked = new Set();
    this.#looking = false;
    this.#lookLater();
  }

  #failed(error: unknown, channels: readonly WatchedChannel[]): void {
    for (const channel of channels.filter((one) => this.#channels.get(one.name) === one)) {
      this.#due.add(channel);
    }
    if (!this.#failing) {
      this.#parts.logger.warn({ error: String(error) }, "could not look for messages; looking again");
    }
    this.#failing = true;
  }

  /** Sets the time of the next look at everything, unless it is set. */
  #lookLater(): void {
    if (this.#subscribers.size === 0) {
      return;
    }
    const delayMs = this.#doorbell.works ? LOOK_MS.listening : LOOK_MS.polling;
    this.#cancelLook ??= this.#parts.clock.timer(delayMs, () => {
      this.#cancelLook = undefined;
      this.#doorbell.check();
      this.#look(this.#channels.values());
    });
  }
}

function closedError(): GoalpostError {
  return new GoalpostError("CLOSED", "the client is closed; open another one to use channels");
}

type Joining = [Subscriber, { readonly resolve: () => void }];

function tell(channel: WatchedChannel, news: ChannelNews | undefined, joining: readonly Joining[]): void {
  if (!news) {
    return;
  }
  channel.since = news.seen;
  for (const subscriber of channel.subscribers) {
    subscriber.update(news.lastSeq, news.notices);
  }
  for (const [subscriber, { resolve }] of joining) {
    // It may have left meanwhile.
    if (channel.joining.delete(subscriber)) {
      channel.subscribers.add(subscriber);
      subscriber.begin(news.lastSeq);
      resolve();
    }
  }
}
