import { createHash } from "node:crypto";
import type { Driver, Queryable } from "../core/driver.ts";
import type { EmbedTexts } from "../core/embedding.ts";
import { GoalpostError } from "../core/errors.ts";
import { NO_USAGE, sumUsage, type Usage } from "../core/usage.ts";
import { type ChunkOptions, chunkRules } from "./chunk-options.ts";
import { type Chunk, chunkText } from "./chunk-text.ts";
import { findCollection, keepModel, makeCollection, type StoredCollection, setModel } from "./collections.ts";
import type { DocumentInput } from "./document.ts";
import { embedChecked } from "./embed-checked.ts";
import { rescaledSql, toScaledSql } from "./scaled-vector.ts";
import type { StoredModel } from "./vector-index.ts";

/** How documents are put into a collection. */
export interface PutOptions {
  /** How they are cut; false: each is one chunk, and may have 10,000 characters. Default: by their kind. */
  readonly chunk?: ChunkOptions | false | undefined;
  /**
   * The embedding model of a new collection, as in `gp.embed`. Of one that holds another: INVALID_STATE, see `reembed`.
   * Default: the client's, and the collection's own from then on.
   */
  readonly model?: string | undefined;
  /**
   * Whether the index is made if there is none and there are enough chunks; what has one keeps it up to date anyway.
   * Default true. False is for many calls in a row: it is quicker to make it with the last.
   */
  readonly index?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of the documents that are stored, of all of them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What became of documents that were put. */
export interface PutReport {
  /** All that were given. */
  readonly documents: number;
  /** Those whose text was there already, cut in the same way. */
  readonly unchanged: number;
  /** Chunks of the others. */
  readonly chunks: number;
  /** Chunks whose text was not there, and was embedded. */
  readonly embedded: number;
  readonly usage: Usage;
}

export interface PutParts {
  readonly driver: Driver;
  readonly embed: EmbedTexts;
}

/** Cut and hashed. */
interface PreparedDocument extends DocumentInput {
  readonly hash: string;
  readonly chunks: readonly (Chunk & { readonly hash: string })[];
}

/** Documents and characters that are embedded and stored at once. */
const BATCH_DOCUMENTS = 200;
const BATCH_CHARS = 500_000;
/** Times that a batch is done again because the collection's model changed meanwhile. */
const MAX_REPEATS = 3;

/** Puts documents into a collection, batch by batch; each is replaced as a whole or not at all. */
export async function putDocuments(
  parts: PutParts,
  { collection, docs }: { readonly collection: string; readonly docs: readonly DocumentInput[] },
  options: PutOptions,
): Promise<PutReport> {
  await makeCollection(parts.driver, collection);
  let report: PutReport = { documents: 0, unchanged: 0, chunks: 0, embedded: 0, usage: NO_USAGE };
  for (const batch of batches(docs)) {
    options.signal?.throwIfAborted();
    const prepared = batch.map((doc) => prepare(doc, options.chunk));
    const put = await putBatch(parts, { collection, docs: prepared }, options);
    report = {
      documents: report.documents + batch.length,
      unchanged: report.unchanged + put.unchanged,
      chunks: report.chunks + put.chunks,
      embedded: report.embedded + put.embedded,
      usage: sumUsage(report.usage, put.usage),
    };
    options.onProgress?.(report.documents, docs.length);
  }
  return report;
}

function* batches(docs: readonly DocumentInput[]): Generator<DocumentInput[]> {
  let batch: DocumentInput[] = [];
  let chars = 0;
  for (const doc of docs) {
    if (batch.length === BATCH_DOCUMENTS || (batch.length > 0 && chars + doc.text.length > BATCH_CHARS)) {
      yield batch;
      batch = [];
      chars = 0;
    }
    batch.push(doc);
    chars += doc.text.length;
  }
  if (batch.length > 0) {
    yield batch;
  }
}

function prepare(doc: DocumentInput, chunk: PutOptions["chunk"]): PreparedDocument {
  const { id, text } = doc;
  const rules = chunk === false ? null : chunkRules(id, chunk);
  const whole = text.trim() === "" ? [] : [{ text, start: 0, end: text.length }];
  const chunks = rules === null ? whole : chunkText(text, rules);
  return {
    ...doc,
    hash: sha256(`${JSON.stringify(rules)}\n${text}`),
    chunks: chunks.map((one) => ({ ...one, hash: sha256(one.text) })),
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

interface Batch {
  readonly collection: string;
  readonly docs: readonly PreparedDocument[];
}

type BatchReport = Omit<PutReport, "documents">;

async function putBatch(parts: PutParts, batch: Batch, options: PutOptions): Promise<BatchReport> {
  for (let repeats = 0; repeats < MAX_REPEATS; repeats++) {
    const held = await makeCollection(parts.driver, batch.collection);
    const changed = await findChanged(parts.driver, held, batch.docs);
    const chunks = changed.flatMap((doc) => doc.chunks);
    const { vectors, model, embedded, usage } = await vectorsOf(parts, { held, chunks }, options);
    const stored = await parts.driver.transaction((tx) =>
      store(tx, { ...batch, changed, vectors, model, held }),
    );
    if (stored) {
      return { unchanged: batch.docs.length - changed.length, chunks: chunks.length, embedded, usage };
    }
  }
  throw new GoalpostError(
    "INVALID_STATE",
    `the model of the collection ${JSON.stringify(batch.collection)} changes all the time`,
    { retryable: true },
  );
}

const KNOWN =
  "select key, hash from goalpost.documents where collection_id = $1::bigint and key = any($2::text[])";

async function findChanged(
  db: Queryable,
  { id }: StoredCollection,
  docs: readonly PreparedDocument[],
): Promise<PreparedDocument[]> {
  const rows = await db.query<{ key: string; hash: string }>(KNOWN, [id, docs.map((doc) => doc.id)]);
  const known = new Map(rows.map(({ key, hash }) => [key, hash]));
  return docs.filter((doc) => known.get(doc.id) !== doc.hash);
}

const HELD = `select distinct on (c.hash) c.hash, v.embedding::text as vector
  from goalpost.document_chunks c join goalpost.document_vectors v using (document_id, ordinal)
  where c.collection_id = $1::bigint and c.hash = any($2::text[]) and v.model_id = $3::int`;

interface Vectors {
  /** By the hash of the text, scaled. */
  readonly vectors: ReadonlyMap<string, string>;
  readonly model: Omit<StoredModel, "id"> | null;
  readonly embedded: number;
  readonly usage: Usage;
}

/** Vectors of chunks: those that the collection has already, the others from the model. */
async function vectorsOf(
  { driver, embed }: PutParts,
  { held, chunks }: { held: StoredCollection; chunks: PreparedDocument["chunks"] },
  { model: wanted, signal }: PutOptions,
): Promise<Vectors> {
  const vectors = new Map<string, string>();
  const { id, model } = held;
  if (model) {
    const hashes = [...new Set(chunks.map(({ hash }) => hash))];
    const rows = await driver.query<{ hash: string; vector: string }>(HELD, [id, hashes, model.id]);
    for (const { hash, vector } of rows) {
      vectors.set(hash, rescaledSql(vector));
    }
  }
  const missing = [...new Map(chunks.map((chunk) => [chunk.hash, chunk.text]))].filter(
    ([hash]) => !vectors.has(hash),
  );
  if (missing.length === 0) {
    return { vectors, model, embedded: 0, usage: NO_USAGE };
  }
  const texts = missing.map(([, text]) => text);
  const asked = { texts, purpose: "document", held: model, model: wanted, signal } as const;
  const answer = await embedChecked(embed, asked);
  for (const [index, [hash]] of missing.entries()) {
    vectors.set(hash, toScaledSql(answer.vectors[index] as readonly number[]));
  }
  const { provider, model: name, dimensions, usage } = answer;
  return { vectors, model: { provider, model: name, dimensions }, embedded: missing.length, usage };
}

interface ToStore extends Batch, Pick<Vectors, "vectors" | "model"> {
  readonly changed: readonly PreparedDocument[];
  readonly held: StoredCollection;
}

/** False, and nothing stored, if the collection was given another model or deleted meanwhile. */
async function store(
  tx: Queryable,
  { collection, docs, changed, vectors, model, held }: ToStore,
): Promise<boolean> {
  const now = await findCollection(tx, collection, { lock: true });
  if (now?.id !== held.id || now.model?.id !== held.model?.id) {
    return false;
  }
  const kept = now.model ?? (model && (await keepModel(tx, model)));
  if (kept && !now.model) {
    await setModel(tx, now.id, kept.id);
  }
  const ids = await upsert(tx, now.id, docs);
  const replaced = changed.map((doc) => ids.get(doc.id) as string);
  await tx.query("delete from goalpost.document_vectors where document_id = any($1::bigint[])", [replaced]);
  const removed = await tx.query(
    "delete from goalpost.document_chunks where document_id = any($1::bigint[]) returning 1 as one",
    [replaced],
  );
  const rows = changed.flatMap((doc) =>
    doc.chunks.map((chunk, ordinal) => ({ ...chunk, ordinal, document: ids.get(doc.id) as string })),
  );
  if (kept && rows.length > 0) {
    await insertChunks(tx, { collection: now.id, model: kept.id, rows, vectors });
  }
  await countChunks(tx, now.id, rows.length - removed.length);
  return true;
}

export async function countChunks(tx: Queryable, collection: number, more: number): Promise<void> {
  await tx.query(
    "update goalpost.document_collections set chunk_count = chunk_count + $2::bigint where id = $1::bigint",
    [collection, more],
  );
}

// Of unchanged documents the metadata may be new.
const UPSERT = `insert into goalpost.documents as d (collection_id, key, hash, metadata)
  select $1::bigint, u.key, u.hash, u.metadata::jsonb from unnest($2::text[], $3::text[], $4::text[]) u (key, hash, metadata)
  order by u.key
  on conflict (collection_id, key) do update
    set hash = excluded.hash, metadata = excluded.metadata, updated_at = goalpost.now()
  returning d.id::text, d.key`;

async function upsert(
  tx: Queryable,
  collection: number,
  docs: readonly PreparedDocument[],
): Promise<Map<string, string>> {
  const columns = [
    docs.map((doc) => doc.id),
    docs.map((doc) => doc.hash),
    docs.map((doc) => JSON.stringify(doc.metadata ?? {})),
  ];
  const rows = await tx.query<{ id: string; key: string }>(UPSERT, [collection, ...columns]);
  return new Map(rows.map(({ id, key }) => [key, id]));
}

type ChunkRow = Chunk & { readonly hash: string; readonly document: string; readonly ordinal: number };

const INSERT = `with chunk as (
    select * from unnest($2::bigint[], $3::int[], $4::text[], $5::int[], $6::int[], $7::text[], string_to_array($8::text, ';'))
      u (document_id, ordinal, hash, start_offset, end_offset, text, vector)
  ), stored as (
    insert into goalpost.document_chunks (document_id, ordinal, collection_id, hash, start_offset, end_offset, text)
    select document_id, ordinal, $1::bigint, hash, start_offset, end_offset, text from chunk
  )
  insert into goalpost.document_vectors (model_id, collection_id, document_id, ordinal, embedding)
  select $9::int, $1::bigint, document_id, ordinal, l2_normalize(vector::vector) from chunk`;

async function insertChunks(
  tx: Queryable,
  {
    collection,
    model,
    rows,
    vectors,
  }: {
    collection: number;
    model: number;
    rows: readonly ChunkRow[];
    vectors: ReadonlyMap<string, string>;
  },
): Promise<void> {
  await tx.query(INSERT, [
    collection,
    rows.map((row) => row.document),
    rows.map((row) => row.ordinal),
    rows.map((row) => row.hash),
    rows.map((row) => row.start),
    rows.map((row) => row.end),
    rows.map((row) => row.text),
    // As an array each would be quoted, and that read again.
    rows.map((row) => vectors.get(row.hash)).join(";"),
    model,
  ]);
}
