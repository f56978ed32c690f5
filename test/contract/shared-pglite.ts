import { readFileSync } from "node:fs";
import { PGlite } from "@electric-sql/pglite";
import { inject } from "vitest";
import { createPgliteDriver, type PGliteLike } from "../../src/store/pglite-driver.ts";
import { emptyTables } from "./empty-tables.ts";

/** What one borrower has of the database. */
export interface BorrowedPglite {
  readonly db: PGliteLike;
  /** Afterwards `db` refuses everything: what was left running by mistake cannot reach the next borrower's data. */
  readonly giveBack: () => Promise<void>;
}

/**
 * One database for each process that runs tests, since it takes longer to open than most files to run. Files run one
 * after the other in a process; each begins with empty tables.
 */
let shared: Promise<PGlite> | undefined;
let isBorrowed = false;

/** Lends the database of this process, migrated and empty, to one borrower at a time. */
export async function borrowPglite(): Promise<BorrowedPglite> {
  if (isBorrowed) {
    throw new Error("the PGlite database of this process is borrowed already");
  }
  isBorrowed = true;
  shared ??= open();
  const db = await shared;
  await empty(db);
  let isOver = false;
  const use = <T>(work: () => Promise<T>): Promise<T> =>
    isOver ? Promise.reject(new Error("this PGlite database was given back")) : work();
  const heard = new Set<() => Promise<void>>();
  const lent: PGliteLike = {
    query: (text, values) => use(() => db.query(text, values)),
    exec: (sql) => use(() => db.exec(sql)),
    transaction: (work) => use(() => db.transaction(work)),
    listen: (channel, onMessage) =>
      use(async () => {
        const unlisten = await db.listen(channel, onMessage);
        heard.add(unlisten);
        return async () => {
          heard.delete(unlisten);
          await unlisten();
        };
      }),
    close: () =>
      Promise.reject(new Error("the PGlite database of this process is not the borrower's to close")),
  };
  const giveBack = async (): Promise<void> => {
    isOver = true;
    await Promise.all([...heard].map((unlisten) => unlisten()));
    isBorrowed = false;
  };
  return { db: lent, giveBack };
}

function open(): Promise<PGlite> {
  return PGlite.create({ loadDataDir: new Blob([readFileSync(inject("pgliteTemplate").tar)]) });
}

/** As a new session on a new database: no rows, no statistics, no settings. */
async function empty(db: PGlite): Promise<void> {
  await emptyTables(createPgliteDriver(db as unknown as PGliteLike, async () => undefined));
  await db.exec(
    `delete from pg_statistic where starelid in (select oid from pg_class where relnamespace = 'goalpost'::regnamespace);
     reset all;`,
  );
}
