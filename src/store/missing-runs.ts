import type { Queryable } from "../core/driver.ts";

const FIND_MISSING = `select i.id from unnest($1::uuid[]) i(id)
  where not exists (select 1 from goalpost.runs r where r.id = i.id)`;

/** Those of the runs that are not stored. */
export async function findMissing(db: Queryable, ids: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ id: string }>(FIND_MISSING, [ids]);
  return rows.map((row) => row.id);
}
