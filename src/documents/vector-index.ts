import type { Driver, Queryable } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";

/** Of a model as statements know it. */
export interface StoredModel {
  readonly id: number;
  readonly provider: string;
  readonly model: string;
  readonly dimensions: number;
}

/** Fewer vectors of a collection are all compared: that takes as long as the index does, and misses nothing. */
export const INDEX_FROM = 5000;
/** What HNSW can hold of each type: https://github.com/pgvector/pgvector#hnsw */
const MAX_VECTOR_DIMENSIONS = 2000;
const MAX_HALFVEC_DIMENSIONS = 4000;
/**
 * Links of a vector, and vectors looked at to find them. On 100,000 clustered vectors of 384 numbers in the embedded
 * database: 0.97 of the true ten nearest with EF_SEARCH, 100 s to build; pgvector's 16 and 64 take twice that.
 */
const M = 12;
const EF_CONSTRUCTION = 48;

const HOW =
  "In PostgreSQL install the extension pgvector 0.8 or later (Debian and Ubuntu: the package postgresql-NN-pgvector; Docker: the image pgvector/pgvector; managed databases have it) " +
  'and run "create extension vector" in the database as an administrator; the embedded database ("pglite:DIR") has it.';

/** SQLSTATEs of an extension that cannot be made or loaded. */
const CANNOT_BE_MADE = /^(?:42501|58P01|0A000|42704|XX000|3F000)$/;

/** Makes the table of vectors if it is not there. @throws VECTOR_UNAVAILABLE that says how to get pgvector */
export async function openVectors(driver: Driver): Promise<void> {
  let problem: string | null | undefined;
  try {
    const [row] = await driver.query<{ problem: string | null }>("select goalpost.open_vectors() as problem");
    problem = row?.problem;
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    if (typeof code === "string" && CANNOT_BE_MADE.test(code)) {
      throw unavailable(`pgvector cannot be used: ${(error as Error).message}. ${HOW}`, error);
    }
    throw error;
  }
  const [kind, detail] = problem?.split(" ") ?? [];
  if (kind === "missing") {
    throw unavailable(`this database has no pgvector, which documents need. ${HOW}`);
  }
  if (kind === "old") {
    throw unavailable(
      `this database has pgvector ${detail}; 0.8 or later is needed. Upgrade it, then run "alter extension vector update".`,
    );
  }
  if (kind === "schema") {
    throw unavailable(
      `pgvector is in the schema ${detail}, which is not in the search_path of this connection. ` +
        `Add it: alter database … set search_path = "$user", public, ${detail}`,
    );
  }
}

function unavailable(message: string, cause?: unknown): GoalpostError {
  return new GoalpostError("VECTOR_UNAVAILABLE", message, { cause });
}

/** The type that vectors are indexed as; null if there can be no index. */
export function indexedType({ dimensions }: Pick<StoredModel, "dimensions">): string | null {
  if (dimensions > MAX_HALFVEC_DIMENSIONS) {
    return null;
  }
  return `${nameOfType(dimensions)}(${dimensions})`;
}

function nameOfType(dimensions: number): "vector" | "halfvec" {
  return dimensions <= MAX_VECTOR_DIMENSIONS ? "vector" : "halfvec";
}

const INDEX_NAME = "document_vectors_of_";
/** The name of a model's index, without the model's id. */
export const INDEX_PREFIX: string = `goalpost.${INDEX_NAME}`;

const COUNT =
  "select coalesce(sum(chunk_count), 0)::float8 as count from goalpost.document_collections where model_id = $1::int";
const IS_THERE = "select to_regclass($1) is not null as there";

/**
 * Makes the index over a model's vectors once there are enough; while it is made, writing of vectors waits, reading does
 * not. Needs memory for all of them to be quick.
 */
export async function ensureIndex(driver: Driver, model: StoredModel): Promise<void> {
  const type = indexedType(model);
  const [row] = await driver.query<{ count: number }>(COUNT, [model.id]);
  if (type === null || (row?.count ?? 0) < INDEX_FROM || (await hasIndex(driver, model))) {
    return;
  }
  await driver.transaction(async (tx) => {
    await tx.query("select set_config('maintenance_work_mem', '1GB', true)");
    await tx.query(
      `create index if not exists ${INDEX_NAME}${model.id} on goalpost.document_vectors using hnsw ` +
        `((embedding::${type}) ${nameOfType(model.dimensions)}_cosine_ops) with (m = ${M}, ef_construction = ${EF_CONSTRUCTION}) where model_id = ${model.id}`,
    );
  });
}

async function hasIndex(db: Queryable, model: StoredModel): Promise<boolean> {
  const [row] = await db.query<{ there: boolean }>(IS_THERE, [`${INDEX_PREFIX}${model.id}`]);
  return row?.there === true;
}
