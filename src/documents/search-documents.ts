import { toSql } from "pgvector";
import type { Driver, Queryable } from "../core/driver.ts";
import type { EmbedTexts } from "../core/embedding.ts";
import type { Json } from "../core/json.ts";
import { requireCollection, type StoredCollection } from "./collections.ts";
import type { Metadata } from "./document.ts";
import { embedChecked } from "./embed-checked.ts";
import { fuseRanks } from "./rank-fusion.ts";
import { hasIndex, INDEX_FROM, indexed, type StoredModel } from "./vector-index.ts";

/** How a collection is searched. */
export interface SearchOptions {
  /** Chunks at most, 1 to 1,000. Default 10. */
  readonly limit?: number | undefined;
  /** What the documents' metadata must contain, as `@>` of PostgreSQL has it: `{ lang: "en", tags: ["a"] }`. */
  readonly filter?: Metadata | undefined;
  /** Chunks that are less like the query are left out: a cosine, −1 to 1. Default: none is. */
  readonly minScore?: number | undefined;
  /**
   * - "vector": what is nearest in meaning, as the model has it.
   * - "text": what shares words with the query, by PostgreSQL's full text search in English.
   * - "hybrid": both, joined by reciprocal rank fusion.
   *
   * Default "vector".
   */
  readonly mode?: "vector" | "text" | "hybrid" | undefined;
  /** Compares with all vectors, without the index: misses nothing, and takes longer the more there are. Default false. */
  readonly exact?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A chunk that was found. */
export interface SearchHit {
  /** Of the document. */
  readonly id: string;
  /** Of the chunk. */
  readonly text: string;
  /** How like the query it is: the cosine of the angle between the vectors, −1 to 1. */
  readonly score: number;
  readonly metadata: Metadata;
  /** Which chunk of its document it is, from 0, and where it begins and ends in its text. */
  readonly chunk: number;
  readonly start: number;
  readonly end: number;
}

export interface SearchParts {
  readonly driver: Driver;
  readonly embed: EmbedTexts;
}

const DEFAULT_LIMIT = 10;
/** Of each ranking that is fused: so many times the limit, and at least that many. */
const CANDIDATES = 4;
const MIN_CANDIDATES = 50;
/** Vectors that an index keeps in view while it searches; see M in vector-index.ts for what it finds. */
const EF_SEARCH = 100;
const MAX_EF_SEARCH = 1000;

/** The chunks of a collection that fit a query, the best first. */
export async function searchDocuments(
  { driver, embed }: SearchParts,
  { collection, query }: { readonly collection: string; readonly query: string },
  { limit = DEFAULT_LIMIT, filter, minScore, mode = "vector", exact = false, signal }: SearchOptions,
): Promise<SearchHit[]> {
  const held = await requireCollection(driver, collection);
  const { model } = held;
  if (model === null || held.chunks === 0) {
    return [];
  }
  const { vectors } = await embedChecked(embed, { texts: [query], purpose: "query", held: model, signal });
  const vector = toSql([...(vectors[0] as readonly number[])]);
  const count = mode === "hybrid" ? Math.max(MIN_CANDIDATES, CANDIDATES * limit) : limit;
  const asked: Asked = {
    held,
    model,
    vector,
    query,
    filter: filter ? JSON.stringify(filter) : null,
    count,
    exact,
  };
  return driver.transaction(async (tx) => {
    const near = mode === "text" ? [] : await findNearest(tx, asked);
    const worded = mode === "vector" ? [] : await findWorded(tx, asked);
    const keys = fuseRanks([near, worded]);
    const hits = await readHits(tx, asked, keys);
    return hits.filter(({ score }) => minScore === undefined || score >= minScore).slice(0, limit);
  });
}

interface Asked {
  readonly held: StoredCollection;
  readonly model: StoredModel;
  readonly vector: string;
  readonly query: string;
  /** JSON. */
  readonly filter: string | null;
  readonly count: number;
  readonly exact: boolean;
}

type KeyRow = { key: string };

/** A subquery that cannot be turned into a join: the order of the index is kept. */
const FITS =
  "($3::jsonb is null or (select d.metadata @> $3::jsonb from goalpost.documents d where d.id = document_id))";

async function findNearest(tx: Queryable, asked: Asked): Promise<string[]> {
  const { held, model, count, exact } = asked;
  const isLarge = !exact && held.chunks >= INDEX_FROM && (await hasIndex(tx, model));
  const found = isLarge ? await byIndex(tx, asked) : [];
  // With a filter that few fit the index gives up: comparing those few is quick.
  return found.length < Math.min(count, held.chunks) ? byComparing(tx, asked) : found;
}

// Without these the planner would choose by statistics that a new table does not have.
const BY_INDEX = `select set_config('hnsw.ef_search', $1, true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
  set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)`;
const BY_ANY = "select set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true)";

/** The statement has the index's expression and predicate word for word, or it would not be used. */
export function nearestByIndex({ id, dimensions }: StoredModel): string | null {
  const column = indexed("embedding", dimensions);
  const parameter = indexed("$1", dimensions);
  return (
    column &&
    `select document_id::text || '/' || ordinal as key, ${column} <=> ${parameter} as distance
    from goalpost.document_vectors where model_id = ${id} and collection_id = $2::bigint and ${FITS}
    order by ${column} <=> ${parameter} limit $4::int`
  );
}

async function byIndex(tx: Queryable, { held, model, vector, filter, count }: Asked): Promise<string[]> {
  const statement = nearestByIndex(model);
  if (statement === null) {
    return [];
  }
  await tx.query(BY_INDEX, [String(Math.min(MAX_EF_SEARCH, Math.max(EF_SEARCH, 2 * count)))]);
  const rows = await tx.query<KeyRow & { distance: number }>(statement, [vector, held.id, filter, count]);
  await tx.query(BY_ANY);
  // In relaxed order neighbours may be swapped.
  return rows.toSorted((a, b) => a.distance - b.distance).map(({ key }) => key);
}

// Another expression than the index's: all are compared.
const COMPARED = `select document_id::text || '/' || ordinal as key from goalpost.document_vectors
  where model_id = $5::int and collection_id = $2::bigint and ${FITS}
  order by embedding <=> $1::vector, document_id, ordinal limit $4::int`;

async function byComparing(tx: Queryable, { held, model, vector, filter, count }: Asked): Promise<string[]> {
  const rows = await tx.query<KeyRow>(COMPARED, [vector, held.id, filter, count, model.id]);
  return rows.map(({ key }) => key);
}

// Any of the words will do: a question holds words that no answer has.
const WORDED = `with asked as (select replace(plainto_tsquery('english', $1)::text, ' & ', ' | ')::tsquery as words)
  select document_id::text || '/' || ordinal as key from goalpost.document_chunks c, asked
  where collection_id = $2::bigint and c.words @@ asked.words and ${FITS}
  order by ts_rank_cd(c.words, asked.words) desc, document_id, ordinal limit $4::int`;

async function findWorded(tx: Queryable, { held, query, filter, count }: Asked): Promise<string[]> {
  const rows = await tx.query<KeyRow>(WORDED, [query, held.id, filter, count]);
  return rows.map(({ key }) => key);
}

type HitRow = {
  id: string;
  ordinal: number;
  text: string;
  start_offset: number;
  end_offset: number;
  metadata: string;
  score: number;
};

const READ = `select d.key as id, c.ordinal, c.text, c.start_offset, c.end_offset, d.metadata::text,
    1 - (v.embedding <=> $1::vector) as score
  from unnest($3::bigint[], $4::int[]) with ordinality u (document_id, ordinal, place)
  join goalpost.document_chunks c using (document_id, ordinal)
  join goalpost.documents d on d.id = document_id
  join goalpost.document_vectors v on v.document_id = c.document_id and v.ordinal = c.ordinal and v.model_id = $2::int
  order by u.place`;

async function readHits(
  tx: Queryable,
  { vector, model }: Asked,
  keys: readonly string[],
): Promise<SearchHit[]> {
  const parts = keys.map((key) => key.split("/"));
  const values = [
    vector,
    model.id,
    parts.map(([document]) => document),
    parts.map(([, ordinal]) => Number(ordinal)),
  ];
  const rows = await tx.query<HitRow>(READ, values);
  return rows.map((row) => ({
    id: row.id,
    text: row.text,
    score: row.score,
    metadata: JSON.parse(row.metadata) as { readonly [key: string]: Json },
    chunk: row.ordinal,
    start: row.start_offset,
    end: row.end_offset,
  }));
}
