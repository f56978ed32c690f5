import type { Driver, Queryable, Row } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { Listeners } from "./pg-listener.ts";
import type { PoolLike } from "./pool-like.ts";
import { isTransactionPooled } from "./pooler.ts";

export interface PgDriverOptions {
  readonly logger: Logger;
  /** Whether close() ends the pool: not if the caller made it. */
  readonly ownsPool: boolean;
}

/** What a pool of pg itself can do, too. */
interface NamedQueries {
  query(query: { name: string; text: string; values: unknown[] }): Promise<{ rows: unknown[] }>;
}

/** A driver over a pool of PostgreSQL connections, one of which it keeps for as long as anything is listened to. */
export function createPgDriver(pool: PoolLike, options: PgDriverOptions): Driver {
  const listeners = new Listeners(pool, options.logger);
  let pooled: Promise<boolean> | undefined;
  /** Known once somebody has begun to listen. */
  let lasting = false;
  return {
    kind: "postgres",
    query: (text, values) => queryOn(pool, text, values),
    async queryNamed<R extends Row>(name: string, text: string, values: readonly unknown[]): Promise<R[]> {
      // A pool that is not ours may not know statements with names.
      if (!lasting || !options.ownsPool) {
        return queryOn<R>(pool, text, values);
      }
      const named = { name, text, values: [...values] };
      return (await (pool as unknown as NamedQueries).query(named)).rows as R[];
    },
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
      pooled ??= isTransactionPooled(pool);
      const isPooled = await pooled.catch((error: unknown) => {
        // No connection could be had: who tries again is told then.
        pooled = undefined;
        throw error;
      });
      lasting = !isPooled;
      if (isPooled) {
        options.logger.warn(
          { channel },
          "there is a transaction pooler before the database: not listening, looking now and then",
        );
        return async () => undefined;
      }
      return listeners.listen(channel, handlers);
    },
    async close() {
      listeners.close();
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
