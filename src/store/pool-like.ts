/** The part of a pg pool that is used; any object of this shape will do. */
export interface PoolLike {
  readonly options?: { readonly max?: number | undefined } | undefined;
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  connect(): Promise<PoolClientLike>;
  end(): Promise<void>;
}

export interface PoolClientLike {
  /** The process id of the server's side, as the server gave it when the connection was made. */
  readonly processID?: number | null | undefined;
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  release(destroy?: boolean): void;
  on(
    event: "notification",
    listener: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
  on(event: "error" | "end", listener: (error?: Error) => void): unknown;
  removeListener?(event: "error", listener: (error?: Error) => void): unknown;
}
