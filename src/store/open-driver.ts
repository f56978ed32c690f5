import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Driver } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { lockDirectory } from "./directory-lock.ts";
import { createPgDriver, openPgPool } from "./pg-driver.ts";
import { createPgliteDriver, type PGliteLike } from "./pglite-driver.ts";
import type { PoolLike } from "./pool-like.ts";

/** A database: an address, or a pg pool or PGlite database that the caller made and closes. */
export type Database = string | PoolLike | PGliteLike;

export interface OpenedDriver {
  readonly driver: Driver;
  /** True if no process can be using the database besides this one, and this is its first use here. */
  readonly exclusive: boolean;
}

/**
 * Opens a database: `postgres://…`, `pglite:DIR`, `memory:`, or an object.
 * @throws INVALID_INPUT, DATABASE_BUSY, DATABASE_UNAVAILABLE
 */
export async function openDriver(database: Database, logger: Logger): Promise<OpenedDriver> {
  if (typeof database !== "string") {
    return openObject(database, logger);
  }
  if (/^postgres(ql)?:\/\//.test(database)) {
    const pool = await openPgPool(database, logger);
    return { driver: createPgDriver(pool, { logger, ownsPool: true }), exclusive: false };
  }
  if (database === "memory:") {
    const db = await createPglite();
    return { driver: createPgliteDriver(db, () => db.close()), exclusive: true };
  }
  if (database.startsWith("pglite:") && database.length > "pglite:".length) {
    return openDirectory(resolve(database.slice("pglite:".length)));
  }
  throw new GoalpostError(
    "INVALID_INPUT",
    `${describeAddress(database)} is no database. Allowed: "postgres://…", "pglite:DIR", "memory:", a pg pool or a PGlite database.`,
  );
}

/** What kind of address was given; the rest may hold a password. */
function describeAddress(database: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(database)?.[0];
  return scheme ? `an address that begins with "${scheme}"` : "the given address";
}

function openObject(database: PoolLike | PGliteLike, logger: Logger): OpenedDriver {
  if (typeof (database as PGliteLike)?.exec === "function") {
    const keep = async (): Promise<void> => {
      // The caller made the database and closes it.
    };
    return { driver: createPgliteDriver(database as PGliteLike, keep), exclusive: false };
  }
  if (typeof (database as PoolLike)?.connect === "function") {
    return { driver: createPgDriver(database as PoolLike, { logger, ownsPool: false }), exclusive: false };
  }
  throw new GoalpostError(
    "INVALID_INPUT",
    'the database is neither an address ("postgres://…", "pglite:DIR", "memory:") nor a pg pool nor a PGlite database',
  );
}

interface SharedDirectory {
  readonly db: Promise<PGliteLike>;
  users: number;
  /** Set when the last user has left. */
  closing: Promise<void> | undefined;
}

/** Clients of one process share an open directory; the last one to close it closes the database. */
const directories = new Map<string, SharedDirectory>();

async function openDirectory(directory: string): Promise<OpenedDriver> {
  for (let old = directories.get(directory); old?.closing; old = directories.get(directory)) {
    await old.closing.catch(() => undefined);
  }
  const first = !directories.has(directory);
  const shared = directories.get(directory) ?? { db: openLocked(directory), users: 0, closing: undefined };
  directories.set(directory, shared);
  shared.users += 1;
  const release = async (): Promise<void> => {
    shared.users -= 1;
    if (shared.users === 0) {
      shared.closing = shared.db.then((db) => db.close());
    }
    await shared.closing;
  };
  try {
    return { driver: createPgliteDriver(await shared.db, release), exclusive: first };
  } catch (error) {
    directories.delete(directory);
    throw error;
  }
}

async function openLocked(directory: string): Promise<PGliteLike> {
  const unlock = lockDirectory(directory);
  const forget = (): void => {
    directories.delete(directory);
    unlock();
  };
  try {
    mkdirSync(directory, { recursive: true });
    const db = await createPglite(directory);
    return {
      query: (text, values) => db.query(text, values),
      exec: (sql) => db.exec(sql),
      transaction: (work) => db.transaction(work),
      listen: (channel, onMessage) => db.listen(channel, onMessage),
      close: () => db.close().finally(forget),
    };
  } catch (error) {
    forget();
    throw new GoalpostError(
      "DATABASE_UNAVAILABLE",
      `cannot open the embedded database ${directory}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

async function createPglite(directory?: string): Promise<PGliteLike> {
  const [{ PGlite }, { vector }] = await Promise.all([
    import("@electric-sql/pglite"),
    import("@electric-sql/pglite-pgvector"),
  ]);
  const extensions = { vector };
  const db = await PGlite.create(
    directory === undefined ? { extensions } : { extensions, dataDir: directory },
  );
  return db as unknown as PGliteLike;
}
