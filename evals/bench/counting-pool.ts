import type { PoolLike } from "goalpost";
import pg from "pg";

/** A pool that counts what is sent over it: one statement is one round trip. */
export interface CountingPool {
  readonly pool: PoolLike;
  readonly statements: () => number;
  readonly end: () => Promise<void>;
}

export function openCountingPool(database: string): CountingPool {
  const pool = new pg.Pool({ connectionString: database, max: 10 });
  let statements = 0;
  const counted = new WeakSet<pg.PoolClient>();
  // pool.query uses clients, too: every statement passes through the query function of one.
  pool.on("connect", (client) => {
    if (counted.has(client)) {
      return;
    }
    counted.add(client);
    const send = client.query.bind(client) as (...args: unknown[]) => unknown;
    Object.assign(client, {
      query: (...args: unknown[]) => {
        statements += 1;
        return send(...args);
      },
    });
  });
  return { pool, statements: () => statements, end: () => pool.end() };
}
