import type { Driver } from "../../src/core/driver.ts";

/** Leaves the tables as the migration does: without rows, counters at their start. */
export async function emptyTables(driver: Driver): Promise<void> {
  const [row] = await driver.query<{ tables: string }>(
    "select string_agg(format('%I.%I', schemaname, tablename), ', ') as tables from pg_tables " +
      "where schemaname = 'goalpost' and tablename <> 'migrations'",
  );
  await driver.query(`truncate ${row?.tables} restart identity`);
}
