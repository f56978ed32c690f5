import { toSql } from "pgvector";
import type { Driver } from "../core/driver.ts";
import type { Json } from "../core/json.ts";
import type { CollectionModel } from "./collection-store.ts";
import { hasIndex, indexType } from "./vector-index.ts";

/** A chunk that was found. */
export interface SearchHit {
  /** The document's id. */
  readonly id: string;
  readonly text: string;
  /** Cosine similarity to the query, -1 to 1. */
  readonly score: number;
  /** By which hits are ordered: the score, or in mode "hybrid" the fused ranks. */
  readonly rank: number;
  readonly metadata: Json;
  /** Which chunk of the document, from 0, and where it stands in its text. */
  readonly chunk: { readonly ordinal: number; readonly start: number; readonly end: number };
}

export interface SearchQuery {
  readonly collection: string;
  readonly model: CollectionModel;
  readonly vector: readonly number[];
  readonly text: string;
  readonly limit: number;
  /** JSON text. */
  readonly filter: string;
  readonly minScore: number;
  readonly hybrid: boolean;
}

/** Chunks of the index that one search looks at, at least: enough for 95 % of the true neighbours. */
const EF_SEARCH = 100;
/** Reciprocal rank fusion: Cormack, Clarke, Büttcher, SIGIR 2009. */
const FUSION_K = 60;
/** Candidates of each of the two ways, for each hit that is wanted. */
const FUSION_DEPTH = 4;
const MAX_EF_SEARCH = 1000;

interface HitRow {
  readonly document: string;
  readonly text: string;
  readonly score: number;
  readonly rank: number;
  readonly metadata: string;
  readonly ordinal: number;
  readonly start_at: number;
  readonly end_at: number;
}

/** The nearest chunks of a collection, the best first: exact without an index, else by HNSW. */
export async function searchChunks(driver: Driver, query: SearchQuery): Promise<SearchHit[]> {
  const indexed = await hasIndex(driver, query.model);
  const depth = query.hybrid ? query.limit * FUSION_DEPTH : query.limit;
  const values = [
    query.collection,
    toSql(Array.from(query.vector)) as string,
    query.filter,
    depth,
    query.limit,
    query.minScore,
  ];
  const near = nearest(query.model, indexed);
  const text = query.hybrid ? fuse(near) : plain(near);
  const rows = await driver.transaction(async (tx) => {
    const ef = Math.min(MAX_EF_SEARCH, Math.max(EF_SEARCH, depth * 2));
    await driver.script(settings(indexed, ef), tx);
    return (await tx.query(text, query.hybrid ? [...values, query.text] : values)) as unknown as HitRow[];
  });
  return rows.map(toHit);
}

/**
 * Pins the way: a planner without statistics may take any. Iterative scans go on until enough of what the index finds
 * also fits the filter.
 */
function settings(indexed: boolean, ef: number): string {
  return indexed
    ? `set local hnsw.ef_search = ${ef}; set local hnsw.iterative_scan = strict_order; set local enable_seqscan = off;
       set local enable_sort = off; set local enable_bitmapscan = off; set local jit = off`
    : "set local jit = off";
}

/** Both sides of the operator and the model's predicate are as in the index, else it is not used. */
function nearest({ id, dimensions }: CollectionModel, indexed: boolean): string {
  const type = (indexed && indexType(dimensions)) || `vector(${dimensions})`;
  return `
    select k.*, 1 - (k.embedding::${type} <=> $2::text::${type}) as score
    from goalpost.chunks k
    where k.model_id = ${id} and k.collection = $1 and k.metadata @> $3::jsonb
    order by k.embedding::${type} <=> $2::text::${type} limit $4::int`;
}

const COLUMNS = "document, text, score, metadata::text as metadata, ordinal, start_at, end_at";

function plain(near: string): string {
  return `
    with near as materialized (${near})
    select ${COLUMNS}, score as rank from near where score >= $6::float8 order by score desc, id limit $5::int`;
}

function fuse(near: string): string {
  return `
    with near as materialized (${near}),
    worded as materialized (
      select k.*, 1 - (k.embedding <=> $2::text::vector) as score,
        row_number() over (order by ts_rank_cd(k.words, q.query) desc, k.id) as place
      from plainto_tsquery('simple', $7) words
      cross join lateral (select replace(words::text, '&', '|')::tsquery as query) q
      join goalpost.chunks k on k.words @@ q.query
      where k.collection = $1 and k.metadata @> $3::jsonb
      order by place limit $4::int),
    meant as (select n.*, row_number() over (order by n.score desc, n.id) as place from near n),
    found as (
      select m.id, m.place from meant m union all select w.id, w.place from worded w),
    ranked as (select id, sum(1.0 / (${FUSION_K} + place))::float8 as rank from found group by id),
    hit as (
      select distinct on (id) * from (
        select id, document, text, score, metadata, ordinal, start_at, end_at from near
        union all select id, document, text, score, metadata, ordinal, start_at, end_at from worded) h order by id)
    select ${COLUMNS}, rank from hit join ranked using (id) where score >= $6::float8 order by rank desc, id limit $5::int`;
}

function toHit(row: HitRow): SearchHit {
  return {
    id: row.document,
    text: row.text,
    score: row.score,
    rank: row.rank,
    metadata: JSON.parse(row.metadata) as Json,
    chunk: { ordinal: row.ordinal, start: row.start_at, end: row.end_at },
  };
}
