import type { Driver, Queryable, Row } from "../core/driver.ts";

/** The part of a PGlite database that is used; any object of this shape will do. */
export interface PGliteLike {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  exec(sql: string): Promise<unknown>;
  transaction<T>(work: (tx: PGliteTransactionLike) => Promise<T>): Promise<T>;
  listen(channel: string, onMessage: (payload: string) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export interface PGliteTransactionLike {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  exec(sql: string): Promise<unknown>;
}

interface PGliteTx extends Queryable {
  readonly exec: (sql: string) => Promise<unknown>;
}

/** A driver over an embedded database. `release` is called by close(): it closes the database or gives it back. */
export function createPgliteDriver(db: PGliteLike, release: () => Promise<void>): Driver {
  return {
    kind: "pglite",
    query: (text, values) => queryOn(db, text, values),
    queryNamed: (_, text, values) => queryOn(db, text, values),
    async script(sql, tx) {
      await (tx ? (tx as PGliteTx).exec(sql) : db.exec(sql));
    },
    transaction: (work) =>
      db.transaction((tx) => {
        const inside: PGliteTx = {
          query: (text, values) => queryOn(tx, text, values),
          exec: (sql) => tx.exec(sql),
        };
        return work(inside);
      }),
    listen: (channel, handlers) => db.listen(channel, handlers.onMessage),
    close: release,
  };
}

async function queryOn<R extends Row>(
  target: Pick<PGliteLike, "query">,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const result = await target.query(text, [...values]);
  return result.rows as R[];
}
