import type { Queryable } from "../core/driver.ts";
import { type Shape, shapeToRows } from "../core/shape.ts";
import { read } from "./repeat.ts";

const ENSURE = "select goalpost.ensure_definition($1, $2, $3, $4::json)::text as id";

/** The id of a shared definition; stores it first if it is new. */
export async function ensureDefinition(
  db: Queryable,
  definition: { name: string; hash: string; source: "static" | "dynamic"; shape: Shape },
): Promise<number> {
  const [row] = await read<{ id: string }>(db, ENSURE, [
    definition.name,
    definition.hash,
    definition.source,
    JSON.stringify(shapeToRows(definition.shape)),
  ]);
  return Number(row?.id);
}
