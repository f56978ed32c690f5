import type { Queryable } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import { INDEX_PREFIX, type StoredModel } from "./vector-index.ts";

/** A collection of documents. */
export interface CollectionSummary {
  readonly name: string;
  /** By which its texts are embedded; null before the first one is. */
  readonly provider: string | null;
  readonly model: string | null;
  readonly dimensions: number | null;
  readonly documents: number;
  readonly chunks: number;
  readonly createdAt: Date;
}

/** A collection as statements know it. */
export interface StoredCollection {
  readonly id: number;
  readonly chunks: number;
  readonly model: StoredModel | null;
  /** Whether the vectors of its model have an index. */
  readonly hasIndex: boolean;
}

type CollectionRow = {
  id: string;
  chunks: number;
  model_id: number | null;
  provider: string;
  model: string;
  dimensions: number;
  has_index: boolean;
};

const FIND = `select c.id::text, c.chunk_count::float8 as chunks, c.model_id, m.provider, m.model, m.dimensions,
    to_regclass('${INDEX_PREFIX}' || m.id) is not null as has_index
  from goalpost.document_collections c left join goalpost.document_models m on m.id = c.model_id where c.name = $1`;

/** Undefined if there is none of that name. `lock`: nobody else writes to it until the transaction ends. */
export async function findCollection(
  db: Queryable,
  name: string,
  { lock = false }: { readonly lock?: boolean } = {},
): Promise<StoredCollection | undefined> {
  const [row] = await db.query<CollectionRow>(lock ? `${FIND} for update of c` : FIND, [name]);
  if (!row) {
    return undefined;
  }
  const { model_id: id, provider, model, dimensions } = row;
  return {
    id: Number(row.id),
    chunks: row.chunks,
    model: id === null ? null : { id, provider, model, dimensions },
    hasIndex: row.has_index,
  };
}

/** @throws INVALID_INPUT that lists those that exist */
export async function requireCollection(db: Queryable, name: string): Promise<StoredCollection> {
  const found = await findCollection(db, name);
  if (found) {
    return found;
  }
  const names = (await listCollections(db)).map((one) => one.name).slice(0, 20);
  throw new GoalpostError(
    "INVALID_INPUT",
    `there is no collection ${JSON.stringify(name)}; there ${names.length === 0 ? "are none yet" : `are: ${names.join(", ")}`}. gp.documents.put makes one`,
    { details: { collections: names } },
  );
}

/** Makes the collection unless it is there. */
export async function makeCollection(db: Queryable, name: string): Promise<StoredCollection> {
  await db.query(
    "insert into goalpost.document_collections (name) values ($1) on conflict (name) do nothing",
    [name],
  );
  return requireCollection(db, name);
}

/** The row of a model; made unless it is there. */
export async function keepModel(db: Queryable, model: Omit<StoredModel, "id">): Promise<StoredModel> {
  const values = [model.provider, model.model, model.dimensions];
  await db.query(
    "insert into goalpost.document_models (provider, model, dimensions) values ($1, $2, $3::int) on conflict do nothing",
    values,
  );
  const [row] = await db.query<{ id: number }>(
    "select id from goalpost.document_models where provider = $1 and model = $2 and dimensions = $3::int",
    values,
  );
  return { ...model, id: (row as { id: number }).id };
}

/** Says by which model the texts of a collection are embedded from now on. */
export async function setModel(db: Queryable, collection: number, model: number): Promise<void> {
  await db.query("update goalpost.document_collections set model_id = $2::int where id = $1::bigint", [
    collection,
    model,
  ]);
}

const LIST = `select c.name, m.provider, m.model, m.dimensions, c.chunk_count::float8 as chunks, c.created_at,
    (select count(*) from goalpost.documents d where d.collection_id = c.id)::float8 as documents
  from goalpost.document_collections c left join goalpost.document_models m on m.id = c.model_id order by c.name`;

type SummaryRow = Omit<CollectionSummary, "createdAt"> & { created_at: Date };

export async function listCollections(db: Queryable): Promise<CollectionSummary[]> {
  const rows = await db.query<SummaryRow>(LIST);
  return rows.map(({ created_at: createdAt, ...row }) => ({ ...row, createdAt }));
}
