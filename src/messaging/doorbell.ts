import { v7 as newId } from "uuid";
import type { Clock } from "../core/clock.ts";
import type { Driver } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";

/** The NOTIFY channel that every message is announced on: `channel:seq`, `channel:!notice` or `?probe`. */
const NOTIFY_CHANNEL = "goalpost_messages";
/** How often it is tried whether LISTEN works. */
const PROBE_MS = 30_000;

export interface DoorbellOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Something was announced. */
  readonly onRing: (payload: string) => void;
  /** It began to work. */
  readonly onWorks: () => void;
  /** Something may have been missed. */
  readonly onReconnect: () => void;
}

/**
 * LISTEN for messages. Behind a transaction pooler LISTEN succeeds and nothing is ever heard: so it is tried, and
 * works only if a probe that was sent has come back.
 */
export class Doorbell {
  readonly #options: DoorbellOptions;
  #listening: Promise<(() => Promise<void>) | undefined> | undefined;
  #failed = false;
  #stopping: Promise<void> | undefined;
  #probe: { readonly token: string; readonly sentAt: number } | undefined;
  #answered = false;
  #works = false;

  constructor(options: DoorbellOptions) {
    this.#options = options;
  }

  /** Whether what is announced is heard, as far as is known. */
  get works(): boolean {
    return this.#works;
  }

  /** Resolves once it listens, or has failed to. */
  async start(): Promise<void> {
    this.#listening ??= this.#listen();
    await this.#listening;
  }

  stop(): Promise<void> {
    const listening = this.#listening;
    if (listening) {
      this.#listening = undefined;
      this.#forget();
      this.#stopping = listening
        .then((stop) => stop?.())
        .catch((error: unknown) => {
          this.#options.logger.debug({ error: String(error) }, "could not stop listening");
        });
    }
    return this.#stopping ?? Promise.resolve();
  }

  /** A probe to send by NOTIFY now; null if none is due. */
  nextProbe(): string | null {
    const now = this.#options.clock.now();
    if (this.#listening === undefined || (this.#probe && now - this.#probe.sentAt < PROBE_MS)) {
      return null;
    }
    if (this.#failed) {
      void this.#tryAgain();
    }
    this.#probe = { token: newId(), sentAt: now };
    this.#answered = false;
    return this.#probe.token;
  }

  /** The probe has had its time: unless it came back by now, LISTEN does not work. */
  check(): void {
    this.#works &&= this.#answered;
  }

  async #listen(): Promise<(() => Promise<void>) | undefined> {
    const { driver, logger, onReconnect } = this.#options;
    try {
      return await driver.listen(NOTIFY_CHANNEL, {
        onMessage: (payload) => this.#heard(payload),
        onReconnect: () => {
          this.#forget();
          onReconnect();
        },
      });
    } catch (error) {
      logger.warn({ error: String(error) }, "LISTEN failed; channels are looked at twice a second instead");
      this.#failed = true;
      return undefined;
    }
  }

  async #tryAgain(): Promise<void> {
    this.#failed = false;
    this.#listening = this.#listen();
    if (await this.#listening) {
      this.#forget();
      this.#options.onReconnect();
    }
  }

  #heard(payload: string): void {
    if (!payload.startsWith("?")) {
      this.#options.onRing(payload);
    } else if (payload.slice(1) === this.#probe?.token) {
      this.#answered = true;
      if (!this.#works) {
        this.#works = true;
        this.#options.onWorks();
      }
    }
  }

  #forget(): void {
    this.#probe = undefined;
    this.#answered = false;
    this.#works = false;
  }
}
