/** A row as the drivers give it back: column name to value. */
export type Row = Readonly<Record<string, unknown>>;

/** What runs statements: a driver, or the inside of a transaction. */
export interface Queryable {
  /** Runs one statement. Parameters are `$1…`; JSON is passed and returned as text. */
  query<R extends Row = Row>(text: string, values?: readonly unknown[]): Promise<R[]>;
}

/** The database, as the engine needs it. */
export interface Driver extends Queryable {
  readonly kind: "postgres" | "pglite";
  /**
   * Runs one statement that is run again and again, under a name: where sessions last it is only read and planned once
   * for each connection.
   */
  queryNamed<R extends Row = Row>(name: string, text: string, values: readonly unknown[]): Promise<R[]>;
  /** Runs `work` in one transaction on one connection; a throw rolls back. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Runs several statements at once, without parameters, within a transaction given by the caller or its own. */
  script(sql: string, tx?: Queryable): Promise<void>;
  /**
   * Calls `onMessage` for every NOTIFY on the channel until the returned function is called. The connection is
   * made again when it breaks; `onReconnect` says that messages may have been missed. Where messages cannot be had
   * (behind a transaction pooler, with a pool of one connection) nothing ever arrives.
   */
  listen(channel: string, handlers: ListenHandlers): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export interface ListenHandlers {
  readonly onMessage: (payload: string) => void;
  readonly onReconnect?: () => void;
  /**
   * The connection holds a session lock of its own under this key, a new one for every connection; null when it broke.
   * Not called where there is none: where messages cannot be had, and on PGlite.
   */
  readonly onLock?: (key: string | null) => void;
}
