import type { Clock } from "./core/clock.ts";
import type { Logger } from "./core/logger.ts";
import type { Database } from "./store/open-driver.ts";

/** How a client is opened. */
export interface OpenOptions {
  /**
   * `postgres://…`, `pglite:DIR`, `memory:`, a pg pool or a PGlite database (which the caller closes).
   * Default: GOALPOST_DATABASE_URL, DATABASE_URL, then `pglite:.goalpost/db`.
   */
  readonly database?: Database | undefined;
  /** What this process is called in lists. Default: host and pid. */
  readonly instanceId?: string | undefined;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger | undefined;
  /** The local worker; false for none: runs are started, listed and cancelled, but nothing is carried out. */
  readonly workers?: WorkersOptions | false | undefined;
  /** For tests. Default: the machine's clock. */
  readonly clock?: Clock | undefined;
}

export interface WorkersOptions {
  /** Tasks carried out at once. Default 10. */
  readonly concurrency?: number | undefined;
  /** Bytes of JSON that one output may have. Default 16 MiB. */
  readonly maxOutputBytes?: number | undefined;
  /** False: tasks are only carried out by `gp.tick()`. Default true. */
  readonly start?: boolean | undefined;
}
