import type { Driver, Queryable } from "../core/driver.ts";
import { isObject } from "../core/json.ts";
import { findCollection } from "./collections.ts";
import type { Metadata } from "./document.ts";
import { countChunks } from "./put-documents.ts";

/**
 * Which documents are deleted: those with an id, those whose metadata contains something (but for some ids), or all of
 * them.
 */
export type DeleteWhat =
  | string
  | readonly string[]
  | { readonly filter: Metadata; readonly except?: readonly string[] | undefined }
  | { readonly all: true };

const BY_IDS = "key = any($2::text[])";
const BY_FILTER = "metadata @> $2::jsonb and not key = any($3::text[])";
const DELETE = (which: string): string => `with gone as (
    select id from goalpost.documents where collection_id = $1::bigint and ${which}
  ), chunks as (
    select count(*) as count from goalpost.document_chunks where document_id in (select id from gone)
  ), vectors as (
    delete from goalpost.document_vectors where document_id in (select id from gone)
  ), deleted as (
    delete from goalpost.documents where id in (select id from gone) returning 1
  )
  select (select count(*) from deleted)::int as documents, (select count from chunks)::int as chunks`;

/** Deletes documents of a collection; returns how many. */
export async function deleteDocuments(driver: Driver, name: string, what: DeleteWhat): Promise<number> {
  return driver.transaction(async (tx) => {
    const collection = await findCollection(tx, name, { lock: true });
    if (!collection) {
      return 0;
    }
    if (isObject(what) && "all" in what) {
      return deleteAll(tx, collection.id);
    }
    // Arrays have a filter, too.
    const byFilter = isObject(what) && "filter" in what;
    const values = byFilter ? [JSON.stringify(what.filter), what.except ?? []] : [[what].flat()];
    const [row] = await tx.query<{ documents: number; chunks: number }>(
      DELETE(byFilter ? BY_FILTER : BY_IDS),
      [collection.id, ...values],
    );
    await countChunks(tx, collection.id, -(row?.chunks ?? 0));
    return row?.documents ?? 0;
  });
}

async function deleteAll(tx: Queryable, collection: number): Promise<number> {
  const [row] = await tx.query<{ documents: number }>(
    "select count(*)::int as documents from goalpost.documents where collection_id = $1::bigint",
    [collection],
  );
  await tx.query("delete from goalpost.document_vectors where collection_id = $1::bigint", [collection]);
  await tx.query("delete from goalpost.document_collections where id = $1::bigint", [collection]);
  return row?.documents ?? 0;
}
