import type { Driver } from "../core/driver.ts";
import type { CollectionModel } from "./collection-store.ts";

/** Fewer chunks of a model are compared one by one: exact, and as fast. */
const INDEX_FROM = 2000;
const MAX_VECTOR = 2000;
const MAX_HALFVEC = 4000;
/** As pgvector recommends for building; searching looks at more, see search. */
const BUILD = "m = 16, ef_construction = 64";
/** Programs that build an index take turns by this advisory lock, plus the model's id. */
const INDEX_LOCK = 7_305_801_200_000;

/** The type that the index of so many dimensions is made of; null: none can be. */
export function indexType(dimensions: number): string | null {
  if (dimensions <= MAX_VECTOR) {
    return `vector(${dimensions})`;
  }
  return dimensions <= MAX_HALFVEC ? `halfvec(${dimensions})` : null;
}

function indexName({ id }: CollectionModel): string {
  return `chunks_near_${id}`;
}

/** Whether searches with this model can use an index. */
export async function hasIndex(driver: Driver, model: CollectionModel): Promise<boolean> {
  const [row] = await driver.query(
    "select 1 as valid from pg_index where indexrelid = to_regclass($1) and indisvalid",
    [`goalpost.${indexName(model)}`],
  );
  return row !== undefined;
}

/** Builds the model's HNSW index once there is enough to search. */
export async function ensureIndex(driver: Driver, model: CollectionModel): Promise<void> {
  const type = indexType(model.dimensions);
  if (type === null || (await hasIndex(driver, model)) || !(await isLarge(driver, model))) {
    return;
  }
  const operators = type.startsWith("half") ? "halfvec_cosine_ops" : "vector_cosine_ops";
  await driver.transaction(async (tx) => {
    const [turn] = await tx.query<{ mine: boolean }>("select pg_try_advisory_xact_lock($1::bigint) as mine", [
      INDEX_LOCK + model.id,
    ]);
    if (turn?.mine) {
      // Names and numbers are ours: a type and a predicate cannot be parameters.
      await driver.script(
        `set local maintenance_work_mem = '256MB';
         create index if not exists ${indexName(model)} on goalpost.chunks
           using hnsw ((embedding::${type}) ${operators}) with (${BUILD}) where model_id = ${model.id}`,
        tx,
      );
    }
  });
}

async function isLarge(driver: Driver, { id }: CollectionModel): Promise<boolean> {
  const [row] = await driver.query<{ count: number }>(
    `select count(*)::int as count from (select from goalpost.chunks where model_id = $1::int limit ${INDEX_FROM}) c`,
    [id],
  );
  return (row?.count ?? 0) >= INDEX_FROM;
}
