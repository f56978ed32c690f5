import { toSql } from "pgvector";
import type { Driver, Queryable } from "../core/driver.ts";
import type { EmbedTexts } from "../core/embedding.ts";
import type { Json } from "../core/json.ts";
import { requireCollection, type StoredCollection } from "./collections.ts";
import type { Metadata } from "./document.ts";
import { embedChecked } from "./embed-checked.ts";
import { fuseRanks } from "./rank-fusion.ts";
import { INDEX_FROM, indexedType, type StoredModel } from "./vector-index.ts";

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
  const hits = await findHits(driver, asked, mode);
  return hits.filter(({ score }) => minScore === undefined || score >= minScore).slice(0, limit);
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

async function findHits(
  db: Queryable,
  asked: Asked,
  mode: NonNullable<SearchOptions["mode"]>,
): Promise<SearchHit[]> {
  if (mode === "vector") {
    const rows = await db.query<HitRow>(READ_NEAREST, [asked.vector, asked.model.id, ...nearestOf(asked)]);
    return rows.map(toHit);
  }
  const near = mode === "text" ? [] : await findNearest(db, asked);
  const worded = await findWorded(db, asked);
  const keys = fuseRanks([near, worded]).map((key) => key.split("/"));
  const places = [keys.map(([document]) => document), keys.map(([, ordinal]) => Number(ordinal))];
  const rows = await db.query<HitRow>(READ, [asked.vector, asked.model.id, ...places]);
  return rows.map(toHit);
}

type KeyRow = { key: string };

const NEAREST = "goalpost.nearest_chunks($2::int, $3, $4::bigint, $1, $5::jsonb, $6::int, $7::bigint)";
const NEAREST_KEYS = `select document_id::text || '/' || ordinal as key
  from ${NEAREST} n, unnest(n._documents, n._ordinals) with ordinality u (document_id, ordinal, place) order by place`;
const READ_NEAREST = `select r.* from ${NEAREST} n, goalpost.read_chunks(n._documents, n._ordinals, $2::int, $1) r`;
const READ = "select * from goalpost.read_chunks($3::bigint[], $4::int[], $2::int, $1)";

/** What a statement with NEAREST is given from $3 on. */
function nearestOf({ held, model, filter, count, exact }: Asked): unknown[] {
  const byIndex = !exact && held.hasIndex && held.chunks >= INDEX_FROM;
  return [byIndex ? indexedType(model) : null, held.id, filter, count, held.chunks];
}

async function findNearest(db: Queryable, asked: Asked): Promise<string[]> {
  const rows = await db.query<KeyRow>(NEAREST_KEYS, [asked.vector, asked.model.id, ...nearestOf(asked)]);
  return rows.map(({ key }) => key);
}

// Any of the words will do: a question holds words that no answer has. The filter cannot be turned into a join.
const WORDED = `with asked as (select replace(plainto_tsquery('english', $1)::text, ' & ', ' | ')::tsquery as words)
  select document_id::text || '/' || ordinal as key from goalpost.document_chunks c, asked
  where collection_id = $2::bigint and c.words @@ asked.words
    and ($3::jsonb is null or (select d.metadata @> $3::jsonb from goalpost.documents d where d.id = document_id))
  order by ts_rank_cd(c.words, asked.words) desc, document_id, ordinal limit $4::int`;

async function findWorded(db: Queryable, { held, query, filter, count }: Asked): Promise<string[]> {
  const rows = await db.query<KeyRow>(WORDED, [query, held.id, filter, count]);
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

function toHit(row: HitRow): SearchHit {
  return {
    id: row.id,
    text: row.text,
    score: row.score,
    metadata: JSON.parse(row.metadata) as { readonly [key: string]: Json },
    chunk: row.ordinal,
    start: row.start_offset,
    end: row.end_offset,
  };
}
