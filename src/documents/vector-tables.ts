import { readFileSync } from "node:fs";
import type { Driver } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";

/** Programs that make the tables at once take turns by this advisory lock. */
const TABLES_LOCK = 7_305_801_120_462;

/**
 * Makes the tables of documents if they are not there.
 * @throws VECTOR_UNAVAILABLE where pgvector cannot be had
 */
export async function prepareVectorTables(driver: Driver): Promise<void> {
  const [there] = await driver.query<{ there: boolean }>(
    "select to_regclass('goalpost.chunks_by_hash') is not null as there",
  );
  if (there?.there) {
    return;
  }
  await loadExtension(driver);
  const sql = readFileSync(new URL("../../migrations/vector/documents.sql", import.meta.url), "utf8");
  await driver.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1::bigint)", [TABLES_LOCK]);
    await driver.script(sql, tx);
  });
}

async function loadExtension(driver: Driver): Promise<void> {
  const [there] = await driver.query("select 1 as there from pg_type where typname = 'vector'");
  if (there) {
    return;
  }
  try {
    await driver.query("create extension if not exists vector");
  } catch (error) {
    throw new GoalpostError("VECTOR_UNAVAILABLE", unavailable(driver, error), { cause: error });
  }
}

function unavailable(driver: Driver, error: unknown): string {
  const how =
    driver.kind === "pglite"
      ? "give PGlite the extension: PGlite.create({ extensions: { vector } }), with vector from @electric-sql/pglite-pgvector"
      : 'install pgvector on the server (the package postgresql-NN-pgvector, or a service that has it) and run "create extension vector" as a user who may';
  return `documents need the extension pgvector, which this database does not have: ${how}. Everything else works without it. The database said: ${error instanceof Error ? error.message : String(error)}`;
}
