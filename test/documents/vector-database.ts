import { readFileSync } from "node:fs";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { inject } from "vitest";

/** A migrated PGlite database that has pgvector, which the tests' PostgreSQL has not. */
export function openVectorDatabase(): Promise<PGlite> {
  const loadDataDir = new Blob([readFileSync(inject("pgliteTemplate").tar)]);
  return PGlite.create({ loadDataDir, extensions: { vector } });
}
