import { randomBytes } from "node:crypto";
import type { ListenHandlers } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";
import type { PoolClientLike, PoolLike } from "./pool-like.ts";

const RECONNECT_MS = { first: 100, most: 5000 };

/** One LISTEN on a connection of its own, made again whenever it breaks. */
export class Listener {
  readonly #pool: PoolLike;
  readonly #logger: Logger;
  readonly #options: ListenHandlers & { readonly channel: string };
  #client: PoolClientLike | undefined;
  #closed = false;
  #retryMs = RECONNECT_MS.first;

  constructor(pool: PoolLike, logger: Logger, options: ListenHandlers & { readonly channel: string }) {
    this.#pool = pool;
    this.#logger = logger;
    this.#options = options;
  }

  async open(): Promise<void> {
    const client = await this.#pool.connect();
    if (this.#closed) {
      client.release(true);
      return;
    }
    this.#client = client;
    const lost = (): void => this.#lost(client);
    client.on("error", lost);
    client.on("end", lost);
    client.on("notification", (message) => {
      if (message.channel === this.#options.channel) {
        this.#options.onMessage(message.payload ?? "");
      }
    });
    try {
      const key = await this.#lock(client);
      await client.query(`listen "${this.#options.channel.replaceAll('"', '""')}"`);
      if (key !== undefined && this.#client === client) {
        this.#options.onLock?.(key);
      }
    } catch (error) {
      if (this.#client !== client) {
        // It broke meanwhile: #lost has let go of it, and connects again.
        return;
      }
      this.#client = undefined;
      client.release(true);
      throw error;
    }
    this.#retryMs = RECONNECT_MS.first;
  }

  /** Others can see by it that this process lives. An old connection may hold its own lock for hours, half open. */
  async #lock(client: PoolClientLike): Promise<string | undefined> {
    if (!this.#options.onLock) {
      return undefined;
    }
    const key = String(randomBytes(8).readBigUInt64BE() >> 1n);
    await client.query("select pg_advisory_lock($1::bigint)", [key]);
    return key;
  }

  #lost(client: PoolClientLike): void {
    if (this.#client !== client) {
      return;
    }
    this.#client = undefined;
    this.#options.onLock?.(null);
    client.release(true);
    if (!this.#closed) {
      this.#logger.warn(
        { channel: this.#options.channel },
        "the listening connection broke; connecting again",
      );
      this.#reconnectLater();
    }
  }

  #reconnectLater(): void {
    setTimeout(() => {
      if (this.#closed) {
        return;
      }
      this.open().then(
        () => this.#options.onReconnect?.(),
        () => {
          this.#retryMs = Math.min(RECONNECT_MS.most, this.#retryMs * 2);
          this.#reconnectLater();
        },
      );
    }, this.#retryMs).unref();
  }

  close(): void {
    this.#closed = true;
    this.#client?.release(true);
    this.#client = undefined;
  }
}
