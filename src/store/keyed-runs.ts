import type { Queryable } from "../core/driver.ts";
import type { Json } from "../core/json.ts";
import { parse } from "./json-text.ts";
import { read, repeatOnConflict } from "./repeat.ts";

/** A run that was started with an idempotency key. */
export interface KeyedRun {
  readonly id: string;
  readonly definitionHash: string;
  readonly inputHash: string | null;
  /** What a planned run was started with besides its goal. */
  readonly settings: Json;
}

const FIND = `select r.id, d.hash, r.input_hash, r.settings::text
  from goalpost.runs r join goalpost.definitions d on d.id = r.definition_id
  where r.workflow = $1 and r.idempotency_key = $2`;

type Row = {
  id: string;
  hash: string;
  input_hash: string | null;
  settings: string | null;
};

/** The run that has the key, if there is one. */
export async function findByKey(db: Queryable, workflow: string, key: string): Promise<KeyedRun | undefined> {
  const [row] = await read<Row>(db, FIND, [workflow, key]);
  return (
    row && {
      id: row.id,
      definitionHash: row.hash,
      inputHash: row.input_hash,
      settings: parse(row.settings),
    }
  );
}

const DROP = "select goalpost.drop_private_definition($1::uuid)";

/** Removes what a run brought along that was not stored because another one has its key. */
export async function dropPrivateDefinition(db: Queryable, runId: string): Promise<void> {
  await repeatOnConflict(() => db.query(DROP, [runId]));
}
