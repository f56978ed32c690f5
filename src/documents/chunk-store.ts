import { toSql } from "pgvector";
import type { Driver, Queryable } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Chunk } from "./chunk.ts";

/** A document that is ready to be stored. */
export interface PreparedDocument {
  readonly id: string;
  readonly hash: string;
  /** JSON text. */
  readonly metadata: string;
  readonly chunks: readonly (Chunk & { readonly hash: string; readonly vector: readonly number[] })[];
}

const KNOWN =
  "select id, hash, metadata = r.m::jsonb as same from goalpost.documents d, unnest($2::text[], $3::text[]) r(i, m) where d.collection = $1 and d.id = r.i";

const VECTORS = `
  select distinct on (k.hash) k.hash, k.embedding::text as embedding
  from goalpost.chunks k where k.hash = any($1::text[]) and k.model_id = $2::int
  order by k.hash`;

const MARK_MODEL = `
  update goalpost.collections set model_id = $2::int
  where name = $1 and (model_id is null or model_id = $2::int)
  returning name`;

const SET_METADATA = `
  with changed as (
    update goalpost.documents d set metadata = r.m::jsonb, updated_at = goalpost.now()
    from unnest($2::text[], $3::text[]) r(i, m) where d.collection = $1 and d.id = r.i returning d.id, d.metadata)
  update goalpost.chunks k set metadata = c.metadata from changed c where k.collection = $1 and k.document = c.id`;

const STORE_DOCUMENTS = `
  insert into goalpost.documents (collection, id, hash, metadata, updated_at)
  select $1, r.i, r.h, r.m::jsonb, goalpost.now() from unnest($2::text[], $3::text[], $4::text[]) r(i, h, m) order by r.i
  on conflict (collection, id) do update set hash = excluded.hash, metadata = excluded.metadata, updated_at = excluded.updated_at`;

const STORE_CHUNKS = `
  insert into goalpost.chunks (collection, document, ordinal, start_at, end_at, text, hash, model_id, embedding, metadata)
  select $1, r.d, r.o, r.s, r.e, r.t, r.h, $2::int, r.v::vector, r.m::jsonb
  from unnest($3::text[], $4::int[], $5::int[], $6::int[], $7::text[], $8::text[], $9::text[], $10::text[])
    r(d, o, s, e, t, h, v, m)`;

/** The hash of each document that is there, and whether its metadata are the same. */
export function knownDocuments(
  db: Queryable,
  collection: string,
  docs: readonly { readonly id: string; readonly metadata: string }[],
): Promise<{ id: string; hash: string; same: boolean }[]> {
  return db.query(KNOWN, [collection, docs.map((d) => d.id), docs.map((d) => d.metadata)]);
}

/** Vectors that are there already, by the hash of their text. */
export async function knownVectors(
  db: Queryable,
  hashes: readonly string[],
  modelId: number,
): Promise<Map<string, readonly number[]>> {
  const rows = await db.query<{ hash: string; embedding: string }>(VECTORS, [hashes, modelId]);
  return new Map(rows.map((row) => [row.hash, JSON.parse(row.embedding) as number[]]));
}

export async function setMetadata(
  db: Queryable,
  collection: string,
  docs: readonly { readonly id: string; readonly metadata: string }[],
): Promise<void> {
  await db.query(SET_METADATA, [collection, docs.map((d) => d.id), docs.map((d) => d.metadata)]);
}

export interface StoreTarget {
  readonly collection: string;
  readonly modelId: number;
}

/**
 * Stores documents with all their chunks in place of what was there, in one transaction.
 * @throws INVALID_STATE if the collection has changed to another model meanwhile
 */
export function storeDocuments(
  driver: Driver,
  { collection, modelId }: StoreTarget,
  docs: readonly PreparedDocument[],
): Promise<void> {
  return driver.transaction(async (tx) => {
    const [marked] = await tx.query(MARK_MODEL, [collection, modelId]);
    if (!marked) {
      throw new GoalpostError(
        "INVALID_STATE",
        `collection "${collection}" was deleted, or has changed to another embedding model meanwhile; put the documents again`,
      );
    }
    const ids = docs.map((doc) => doc.id);
    await tx.query(STORE_DOCUMENTS, [
      collection,
      ids,
      docs.map((doc) => doc.hash),
      docs.map((doc) => doc.metadata),
    ]);
    await tx.query("delete from goalpost.chunks where collection = $1 and document = any($2::text[])", [
      collection,
      ids,
    ]);
    const rows = docs.flatMap((doc) => doc.chunks.map((chunk, ordinal) => ({ doc, chunk, ordinal })));
    await tx.query(STORE_CHUNKS, [
      collection,
      modelId,
      rows.map(({ doc }) => doc.id),
      rows.map(({ ordinal }) => ordinal),
      rows.map(({ chunk }) => chunk.start),
      rows.map(({ chunk }) => chunk.end),
      rows.map(({ chunk }) => chunk.text),
      rows.map(({ chunk }) => chunk.hash),
      rows.map(({ chunk }) => toSql(Array.from(chunk.vector)) as string),
      rows.map(({ doc }) => doc.metadata),
    ]);
  });
}
