import type { Driver, Queryable } from "../core/driver.ts";

/** A collection and the model that its chunks are embedded with. */
export interface Collection {
  readonly name: string;
  /** Null as long as nothing was put into it. */
  readonly model: CollectionModel | null;
}

export interface CollectionModel {
  readonly id: number;
  /** As `gp.embed` is asked for it. */
  readonly name: string;
  readonly dimensions: number;
}

/** How much a collection holds. */
export interface CollectionSummary {
  readonly name: string;
  readonly documents: number;
  readonly chunks: number;
  /** "provider/model" of its vectors; null as long as it is empty. */
  readonly model: string | null;
  readonly dimensions: number | null;
}

const FIND = `
  select c.name, c.model_id as id, m.provider || '/' || m.model as model, m.dimensions
  from goalpost.collections c left join goalpost.embedding_models m on m.id = c.model_id
  where c.name = $1`;

const LIST = `
  select c.name, m.provider || '/' || m.model as model, m.dimensions,
    (select count(*) from goalpost.documents d where d.collection = c.name)::int as documents,
    (select count(*) from goalpost.chunks k where k.collection = c.name)::int as chunks
  from goalpost.collections c left join goalpost.embedding_models m on m.id = c.model_id
  order by c.name`;

export async function findCollection(db: Queryable, name: string): Promise<Collection | undefined> {
  const [row] = await db.query<{ name: string; id: number | null; model: string; dimensions: number }>(FIND, [
    name,
  ]);
  return (
    row && {
      name: row.name,
      model: row.id === null ? null : { id: row.id, name: row.model, dimensions: row.dimensions },
    }
  );
}

export function listCollections(db: Queryable): Promise<CollectionSummary[]> {
  return db.query(LIST) as Promise<unknown> as Promise<CollectionSummary[]>;
}

export async function createCollection(driver: Driver, name: string): Promise<void> {
  await driver.query(
    "insert into goalpost.collections (name, created_at) values ($1, goalpost.now()) on conflict do nothing",
    [name],
  );
}

/** The id of a model, which is made if it is new. */
export async function ensureModel(
  db: Queryable,
  { provider, model, dimensions }: { provider: string; model: string; dimensions: number },
): Promise<number> {
  const values = [provider, model, dimensions];
  await db.query(
    "insert into goalpost.embedding_models (provider, model, dimensions) values ($1, $2, $3::int) on conflict do nothing",
    values,
  );
  const [row] = await db.query<{ id: number }>(
    "select id from goalpost.embedding_models where provider = $1 and model = $2 and dimensions = $3::int",
    values,
  );
  return (row as { id: number }).id;
}
