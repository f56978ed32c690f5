import type { Queryable } from "../core/driver.ts";
import { repeatOnConflict } from "./repeat.ts";

const ADD_LANES = "select goalpost.add_lanes($1::text[])";

/** Writes shared lanes down; those that are there already stay as they are. */
export async function addLanes(db: Queryable, lanes: readonly string[]): Promise<void> {
  await repeatOnConflict(() => db.query(ADD_LANES, [lanes]));
}
