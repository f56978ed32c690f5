import type { Driver, ListenHandlers, Queryable, Row } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";

/** The part of a pg pool that is used; any object of this shape will do. */
export interface PoolLike {
  readonly options?: { readonly max?: number | undefined } | undefined;
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  connect(): Promise<PoolClientLike>;
  end(): Promise<void>;
}

export interface PoolClientLike {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  release(destroy?: boolean): void;
  on(
    event: "notification",
    listener: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
  on(event: "error" | "end", listener: (error?: Error) => void): unknown;
  removeListener?(event: "error", listener: (error?: Error) => void): unknown;
}

export interface PgDriverOptions {
  readonly logger: Logger;
  /** Whether close() ends the pool: not if the caller made it. */
  readonly ownsPool: boolean;
}

const RECONNECT_MS = { first: 100, most: 5000 };

/** A driver over a pool of PostgreSQL connections, with one dedicated connection for each listener. */
export function createPgDriver(pool: PoolLike, options: PgDriverOptions): Driver {
  const listeners = new Set<Listener>();
  return {
    kind: "postgres",
    query: (text, values) => queryOn(pool, text, values),
    async script(sql, tx) {
      await (tx ?? { query: (text: string) => queryOn(pool, text) }).query(sql);
    },
    transaction: (work) => inTransaction(pool, work),
    async listen(channel, handlers) {
      // Listening keeps a connection for itself; a pool of one would have none left to work with.
      if ((pool.options?.max ?? 2) < 2) {
        options.logger.warn(
          { channel },
          "the pool has one connection only: not listening, looking now and then",
        );
        return async () => undefined;
      }
      const listener = new Listener(pool, options.logger, { channel, ...handlers });
      listeners.add(listener);
      await listener.open();
      return async () => {
        listeners.delete(listener);
        listener.close();
      };
    },
    async close() {
      for (const listener of listeners) {
        listener.close();
      }
      if (options.ownsPool) {
        await pool.end();
      }
    },
  };
}

async function queryOn<R extends Row>(
  target: Pick<PoolLike, "query">,
  text: string,
  values?: readonly unknown[],
): Promise<R[]> {
  // Several statements at once (scripts) are only possible without a parameter list.
  const result = await (values ? target.query(text, [...values]) : target.query(text));
  return result.rows as R[];
}

async function inTransaction<T>(pool: PoolLike, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  const onError = (): void => {
    // The query under way rejects with it; without a listener it would end the process.
    broken = true;
  };
  client.on("error", onError);
  try {
    await client.query("begin");
    const result = await work({ query: (text, values) => queryOn(client, text, values) });
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    client.removeListener?.("error", onError);
    client.release(broken);
  }
}

/** One LISTEN on a connection of its own, made again whenever it breaks. */
class Listener {
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
      await client.query(`listen "${this.#options.channel.replaceAll('"', '""')}"`);
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

  #lost(client: PoolClientLike): void {
    if (this.#client !== client) {
      return;
    }
    this.#client = undefined;
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

/** Makes a pool of our own for a connection string. */
export async function openPgPool(url: string, logger: Logger): Promise<PoolLike> {
  if (url.includes("#")) {
    // Everything behind it would be cut off, and part of a password be taken for the host.
    throw new GoalpostError(
      "INVALID_INPUT",
      'the PostgreSQL address holds a "#"; write special characters of a password percent-encoded (# is %23)',
    );
  }
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: url, max: 10, application_name: "goalpost" });
  pool.on("error", (error) => logger.warn({ error: error.message }, "an idle database connection broke"));
  try {
    await pool.query("select 1");
  } catch (error) {
    await pool.end();
    const reason =
      error instanceof Error ? error.message || (error as { code?: string }).code : String(error);
    throw new GoalpostError(
      "DATABASE_UNAVAILABLE",
      `cannot connect to ${withoutSecrets(url)}: ${reason}. Check the address, or use "pglite:DIR" for an embedded database.`,
      { cause: error },
    );
  }
  return pool;
}

/** A connection string that can be shown. */
export function withoutSecrets(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
  } catch {
    return "the given PostgreSQL address";
  }
}
