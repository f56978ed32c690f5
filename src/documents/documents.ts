import { createHash } from "node:crypto";
import type { Driver } from "../core/driver.ts";
import type { Embedded, EmbedTexts } from "../core/embedding.ts";
import { GoalpostError } from "../core/errors.ts";
import { NO_USAGE, type Usage } from "../core/usage.ts";
import {
  checkCollection,
  checkId,
  checkQuery,
  checkSearch,
  type DocumentInput,
  type PutOptions,
  type ReadDocument,
  readDocuments,
  readFilter,
  type SearchOptions,
} from "./check-documents.ts";
import { type Chunk, chunkText, readChunkOptions } from "./chunk.ts";
import {
  knownDocuments,
  knownVectors,
  type PreparedDocument,
  type StoreTarget,
  setMetadata,
  storeDocuments,
} from "./chunk-store.ts";
import {
  type Collection,
  type CollectionModel,
  type CollectionSummary,
  createCollection,
  ensureModel,
  findCollection,
  listCollections,
} from "./collection-store.ts";
import { reembedCollection } from "./reembed.ts";
import { type SearchHit, searchChunks } from "./search.ts";
import { sumUsage } from "./sum-usage.ts";
import { ensureIndex } from "./vector-index.ts";
import { prepareVectorTables } from "./vector-tables.ts";

/** What a put did. */
export interface PutReport {
  /** Documents that were stored, new or changed. */
  readonly stored: number;
  /** Documents that were there already, as they are. */
  readonly unchanged: number;
  /** Chunks that were stored. */
  readonly chunks: number;
  /** Of these, those whose text had to be embedded. */
  readonly embedded: number;
  readonly usage: Usage;
}

/** Which documents are deleted: some, those with such metadata, or the whole collection. */
export type DeleteTarget =
  | { readonly ids: readonly string[] }
  | { readonly filter: Readonly<Record<string, unknown>> }
  | "all";

/** Chunks that are embedded and stored together; a crash loses no more than that. */
const CHUNKS_AT_ONCE = 1000;

interface CutDocument extends ReadDocument {
  readonly hash: string;
  readonly chunks: readonly Chunk[];
}

/** `gp.documents`: texts in collections, cut into chunks, embedded, and searched by meaning. They need pgvector. */
export class Documents {
  readonly #driver: Driver;
  readonly #embed: EmbedTexts;
  #prepared: Promise<void> | undefined;

  constructor(driver: Driver, embed: EmbedTexts) {
    this.#driver = driver;
    this.#embed = embed;
  }

  /**
   * Stores documents; those of an id that is there are replaced, all their chunks at once. What has not changed is not
   * embedded again. A put that fails halfway has stored whole documents, and may be repeated.
   * @throws INVALID_INPUT, VECTOR_UNAVAILABLE, and what `gp.embed` throws; INVALID_STATE if the model answers with
   * other dimensions than the collection holds
   */
  async put(
    collection: string,
    docs: readonly DocumentInput[],
    options: PutOptions = {},
  ): Promise<PutReport> {
    checkCollection(collection);
    const read = readDocuments(docs);
    const cut = cutter(options.chunk);
    await this.#prepare();
    await createCollection(this.#driver, collection);
    await this.#changeModel(collection, options);
    const left = await this.#changedOnly(collection, read.map(cut));
    let report: PutReport = {
      stored: 0,
      unchanged: read.length - left.length,
      chunks: 0,
      embedded: 0,
      usage: NO_USAGE,
    };
    for (const batch of batches(left)) {
      const { done, model } = await this.#store(collection, batch, options);
      report = {
        ...report,
        stored: report.stored + batch.length,
        chunks: report.chunks + done.chunks,
        embedded: report.embedded + done.embedded,
        usage: sumUsage(report.usage, done.usage),
      };
      await ensureIndex(this.#driver, model);
    }
    return report;
  }

  /**
   * The chunks nearest to a text, the best first; none from a collection that is not there.
   * @throws INVALID_INPUT, VECTOR_UNAVAILABLE, and what `gp.embed` throws
   */
  async search(collection: string, query: string, options: SearchOptions = {}): Promise<SearchHit[]> {
    checkCollection(collection);
    checkQuery(query);
    checkSearch(options);
    const filter = readFilter(options.filter ?? {}, "filter");
    await this.#prepare();
    const { model } = (await findCollection(this.#driver, collection)) ?? { model: null };
    if (!model) {
      return [];
    }
    const { signal } = options;
    const embedded = await this.#embed([query], { model: model.name, purpose: "query", signal });
    refuseOtherDimensions(collection, model, embedded);
    return searchChunks(this.#driver, {
      collection,
      model,
      vector: embedded.vectors[0] as readonly number[],
      text: query,
      limit: options.limit ?? 10,
      filter,
      minScore: options.minScore ?? -1,
      hybrid: options.mode === "hybrid",
    });
  }

  /** Removes documents with their chunks; returns how many there were. @throws INVALID_INPUT, VECTOR_UNAVAILABLE */
  async delete(collection: string, target: DeleteTarget): Promise<number> {
    checkCollection(collection);
    const [text, value] = deletion(target);
    await this.#prepare();
    const gone = await this.#driver.query(
      text,
      value === undefined ? [collection] : [collection, value as string],
    );
    if (target === "all") {
      await this.#driver.query("delete from goalpost.collections where name = $1", [collection]);
    }
    return gone.length;
  }

  /** What there is, by name. @throws VECTOR_UNAVAILABLE */
  async collections(): Promise<CollectionSummary[]> {
    await this.#prepare();
    return listCollections(this.#driver);
  }

  /** The ids of a collection's documents, in their order. @throws VECTOR_UNAVAILABLE */
  async ids(collection: string): Promise<string[]> {
    checkCollection(collection);
    await this.#prepare();
    const rows = await this.#driver.query<{ id: string }>(
      "select id from goalpost.documents where collection = $1 order by id",
      [collection],
    );
    return rows.map(({ id }) => id);
  }

  #prepare(): Promise<void> {
    this.#prepared ??= prepareVectorTables(this.#driver).catch((error: unknown) => {
      // The extension may be there the next time.
      this.#prepared = undefined;
      throw error;
    });
    return this.#prepared;
  }

  /** Embeds the whole collection anew if another model is named than its own. */
  async #changeModel(collection: string, { model, signal }: PutOptions): Promise<void> {
    const found = await findCollection(this.#driver, collection);
    if (model === undefined || !found?.model || model === found.model.name) {
      return;
    }
    const next = await reembedCollection(
      { driver: this.#driver, embed: this.#embed },
      { collection, from: found.model, model, signal },
    );
    await ensureIndex(this.#driver, next);
  }

  async #changedOnly(collection: string, docs: readonly CutDocument[]): Promise<CutDocument[]> {
    const known = new Map((await knownDocuments(this.#driver, collection, docs)).map((row) => [row.id, row]));
    const relabelled = docs.filter((doc) => {
      const old = known.get(doc.id);
      return old?.hash === doc.hash && !old.same;
    });
    if (relabelled.length > 0) {
      await setMetadata(this.#driver, collection, relabelled);
    }
    return docs.filter((doc) => known.get(doc.id)?.hash !== doc.hash);
  }

  async #store(
    collection: string,
    docs: readonly CutDocument[],
    options: PutOptions,
  ): Promise<{ done: { chunks: number; embedded: number; usage: Usage }; model: CollectionModel }> {
    const { model } = (await findCollection(this.#driver, collection)) as Collection;
    const texts = new Map(docs.flatMap((doc) => doc.chunks.map(({ text }) => [hashOf(text), text])));
    const vectors = model ? await knownVectors(this.#driver, [...texts.keys()], model.id) : new Map();
    const missing = [...texts].filter(([hash]) => !vectors.has(hash));
    const { signal } = options;
    const name = model?.name ?? options.model;
    let usage = NO_USAGE;
    let by = model;
    if (missing.length > 0) {
      const asked = missing.map(([, text]) => text);
      const embedded = await this.#embed(asked, { model: name, purpose: "document", signal });
      refuseOtherDimensions(collection, model, embedded);
      missing.forEach(([hash], index) => {
        vectors.set(hash, embedded.vectors[index] as readonly number[]);
      });
      usage = embedded.usage;
      by ??= await this.#modelOf(embedded);
    }
    const prepared: PreparedDocument[] = docs.map((doc) => ({
      ...doc,
      chunks: doc.chunks.map((chunk) => {
        const hash = hashOf(chunk.text);
        return { ...chunk, hash, vector: vectors.get(hash) as readonly number[] };
      }),
    }));
    const target: StoreTarget = { collection, modelId: (by as CollectionModel).id };
    await storeDocuments(this.#driver, target, prepared);
    const chunks = prepared.reduce((sum, doc) => sum + doc.chunks.length, 0);
    return { done: { chunks, embedded: missing.length, usage }, model: by as CollectionModel };
  }

  async #modelOf({ provider, model, dimensions }: Embedded): Promise<CollectionModel> {
    const id = await ensureModel(this.#driver, { provider, model, dimensions });
    return { id, name: `${provider}/${model}`, dimensions };
  }
}

function cutter(options: PutOptions["chunk"]): (doc: ReadDocument) => CutDocument {
  const read = options === false ? null : readChunkOptions(options);
  return (doc) => ({
    ...doc,
    hash: hashOf(JSON.stringify([doc.text, read])),
    chunks: read === null ? [{ text: doc.text, start: 0, end: doc.text.length }] : chunkText(doc.text, read),
  });
}

function* batches(docs: readonly CutDocument[]): Generator<CutDocument[]> {
  // In the order of ids: two puts that meet lock in one order.
  const sorted = [...docs].sort((a, b) => (a.id < b.id ? -1 : 1));
  let batch: CutDocument[] = [];
  let chunks = 0;
  for (const doc of sorted) {
    if (batch.length > 0 && chunks + doc.chunks.length > CHUNKS_AT_ONCE) {
      yield batch;
      batch = [];
      chunks = 0;
    }
    batch.push(doc);
    chunks += doc.chunks.length;
  }
  if (batch.length > 0) {
    yield batch;
  }
}

function deletion(target: DeleteTarget): readonly [string, unknown?] {
  const from = "delete from goalpost.documents where collection = $1";
  if (target === "all") {
    return [`${from} returning id`];
  }
  if (typeof target === "object" && target !== null && "ids" in target && Array.isArray(target.ids)) {
    return [`${from} and id = any($2::text[]) returning id`, target.ids.map((id) => checkId(id, "id"))];
  }
  if (typeof target === "object" && target !== null && "filter" in target) {
    return [`${from} and metadata @> $2::jsonb returning id`, readFilter(target.filter, "filter")];
  }
  throw new GoalpostError("INVALID_INPUT", 'say what to delete: { ids: [...] }, { filter: { … } } or "all"');
}

function refuseOtherDimensions(
  collection: string,
  model: CollectionModel | null,
  { dimensions }: Embedded,
): void {
  if (model && dimensions !== model.dimensions) {
    throw new GoalpostError(
      "INVALID_STATE",
      `${model.name} answered with ${dimensions} dimensions, and collection "${collection}" holds ${model.dimensions}: ` +
        "is it the same model? Name another one in put() to embed the collection again",
    );
  }
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
