import { randomBytes } from "node:crypto";
import type { ListenHandlers } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";
import type { PoolClientLike, PoolLike } from "./pool-like.ts";

const RECONNECT_MS = { first: 100, most: 5000 };

/**
 * LISTEN on any number of channels over one connection, taken from the pool for the first of them and given back
 * after the last. It is made again whenever it breaks.
 */
export class Listeners {
  readonly #pool: PoolLike;
  readonly #logger: Logger;
  #connection: ListeningConnection | undefined;

  constructor(pool: PoolLike, logger: Logger) {
    this.#pool = pool;
    this.#logger = logger;
  }

  /** @returns what ends the listening */
  async listen(channel: string, handlers: ListenHandlers): Promise<() => Promise<void>> {
    if (this.#connection === undefined || this.#connection.closed) {
      this.#connection = new ListeningConnection(this.#pool, this.#logger);
    }
    return this.#connection.add(channel, handlers);
  }

  close(): void {
    this.#connection?.close();
  }
}

class ListeningConnection {
  readonly #pool: PoolLike;
  readonly #logger: Logger;
  readonly #handlers = new Map<string, Set<ListenHandlers>>();
  readonly #locks = new Map<ListenHandlers, string>();
  #client: PoolClientLike | undefined;
  #opening: Promise<void> | undefined;
  /** Statements go one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  /** It broke, and listens to every channel once it is there again. */
  #reconnecting = false;
  /** What came before those who listen were told that something may be missing: they are told first. */
  #held: { readonly channel: string; readonly payload: string }[] | undefined;
  #closed = false;
  #retryMs = RECONNECT_MS.first;

  constructor(pool: PoolLike, logger: Logger) {
    this.#pool = pool;
    this.#logger = logger;
  }

  get closed(): boolean {
    return this.#closed;
  }

  async add(channel: string, handlers: ListenHandlers): Promise<() => Promise<void>> {
    this.#handlers.set(channel, (this.#handlers.get(channel) ?? new Set()).add(handlers));
    try {
      if (!this.#reconnecting) {
        this.#opening ??= this.#open();
        await this.#opening;
        await this.#begin(channel, handlers);
      }
    } catch (error) {
      await this.#remove(channel, handlers);
      throw error;
    }
    return () => this.#remove(channel, handlers);
  }

  async #remove(channel: string, handlers: ListenHandlers): Promise<void> {
    const others = this.#handlers.get(channel);
    if (!others?.delete(handlers)) {
      return;
    }
    if (others.size === 0) {
      this.#handlers.delete(channel);
    }
    if (this.#handlers.size === 0) {
      this.close();
      return;
    }
    try {
      await this.#unlock(handlers);
      if (others.size === 0) {
        await this.#run(`unlisten ${quote(channel)}`);
      }
      if (others.size === 0 && this.#handlers.has(channel)) {
        // Somebody else began to listen meanwhile.
        await this.#run(`listen ${quote(channel)}`);
      }
    } catch (error) {
      this.#logger.warn({ channel, error: String(error) }, "listening could not be ended in good order");
    }
  }

  async #begin(channel: string, handlers: ListenHandlers): Promise<void> {
    await this.#run(`listen ${quote(channel)}`);
    if (!handlers.onLock) {
      return;
    }
    // Others can see by it that this process lives. An old connection may hold its own lock for hours, half open.
    const key = String(randomBytes(8).readBigUInt64BE() >> 1n);
    if (await this.#run("select pg_advisory_lock($1::bigint)", [key])) {
      this.#locks.set(handlers, key);
      handlers.onLock(key);
    }
    if (!this.#handlers.get(channel)?.has(handlers)) {
      await this.#unlock(handlers);
    }
  }

  async #unlock(handlers: ListenHandlers): Promise<void> {
    const key = this.#locks.get(handlers);
    if (this.#locks.delete(handlers)) {
      await this.#run("select pg_advisory_unlock($1::bigint)", [key]);
    }
  }

  async #open(): Promise<void> {
    const client = await this.#pool.connect();
    if (this.#closed) {
      client.release(true);
      return;
    }
    this.#client = client;
    const lost = (): void => this.#lost(client);
    client.on("error", lost);
    client.on("end", lost);
    client.on("notification", ({ channel, payload = "" }) => {
      if (this.#held) {
        this.#held.push({ channel, payload });
      } else {
        this.#dispatch(channel, payload);
      }
    });
  }

  #dispatch(channel: string, payload: string): void {
    for (const handlers of [...(this.#handlers.get(channel) ?? [])]) {
      handlers.onMessage(payload);
    }
  }

  /**
   * Fails only if the connection is still there: if it broke, everything is said again on the next one.
   * @returns whether it was carried out on the connection that is there now
   */
  async #run(statement: string, values?: unknown[]): Promise<boolean> {
    const client = this.#client;
    const isCurrent = (): boolean => client !== undefined && this.#client === client;
    const turn = this.#last.then(() => (isCurrent() ? client?.query(statement, values) : undefined));
    this.#last = turn.catch(() => undefined);
    try {
      await turn;
    } catch (error) {
      if (isCurrent()) {
        throw error;
      }
    }
    return isCurrent();
  }

  #lost(client: PoolClientLike): void {
    if (this.#client !== client) {
      return;
    }
    this.#letGo();
    if (!this.#closed) {
      this.#logger.warn(
        { channels: [...this.#handlers.keys()] },
        "the listening connection broke; connecting again",
      );
      this.#reconnecting = true;
      this.#held = [];
      this.#reconnectLater();
    }
  }

  #reconnectLater(): void {
    setTimeout(() => void this.#reconnect(), this.#retryMs).unref();
  }

  async #reconnect(): Promise<void> {
    if (this.#closed) {
      return;
    }
    try {
      await this.#open();
      this.#reconnecting = false;
      for (const [channel, handlers] of this.#all()) {
        await this.#begin(channel, handlers);
      }
    } catch {
      this.#retryMs = Math.min(RECONNECT_MS.most, this.#retryMs * 2);
      this.#reconnecting = true;
      this.#letGo();
      this.#reconnectLater();
      return;
    }
    if (this.#client) {
      this.#retryMs = RECONNECT_MS.first;
      for (const [, handlers] of this.#all()) {
        handlers.onReconnect?.();
      }
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const { channel, payload } of held) {
        this.#dispatch(channel, payload);
      }
    }
  }

  #all(): [string, ListenHandlers][] {
    return [...this.#handlers].flatMap(([channel, all]) =>
      [...all].map((handlers): [string, ListenHandlers] => [channel, handlers]),
    );
  }

  #letGo(): void {
    const client = this.#client;
    this.#client = undefined;
    for (const handlers of this.#locks.keys()) {
      handlers.onLock?.(null);
    }
    this.#locks.clear();
    client?.release(true);
  }

  close(): void {
    this.#closed = true;
    this.#client?.release(true);
    this.#client = undefined;
  }
}

function quote(channel: string): string {
  return `"${channel.replaceAll('"', '""')}"`;
}
