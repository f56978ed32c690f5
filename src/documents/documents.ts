import type { Driver } from "../core/driver.ts";
import type { EmbedTexts } from "../core/embedding.ts";
import { GoalpostError } from "../core/errors.ts";
import { isObject, isStorableText } from "../core/json.ts";
import { check, checkOneOf } from "../core/policy.ts";
import { checkChunkOptions, MAX_CHUNK_CHARS } from "./chunk-options.ts";
import { type CollectionSummary, findCollection, listCollections, requireCollection } from "./collections.ts";
import { type DeleteWhat, deleteDocuments } from "./delete-documents.ts";
import { checkCollection, checkDocuments, checkFilter, type DocumentInput } from "./document.ts";
import { type PutOptions, type PutReport, putDocuments } from "./put-documents.ts";
import { type ReembedOptions, type ReembedReport, reembedCollection } from "./reembed.ts";
import { type SearchHit, type SearchOptions, searchDocuments } from "./search-documents.ts";
import { ensureIndex, openVectors } from "./vector-index.ts";

export interface DocumentsOptions {
  readonly driver: Driver;
  readonly embed: EmbedTexts;
}

const MAX_LIMIT = 1000;

/** Texts that are found by what they mean: `gp.documents`. They need pgvector. */
export class Documents {
  readonly #o: DocumentsOptions;
  #opened: Promise<void> | undefined;

  constructor(options: DocumentsOptions) {
    this.#o = options;
  }

  /** The same with what embeds on somebody else's account. */
  withEmbed(embed: EmbedTexts): Documents {
    return new Documents({ ...this.#o, embed });
  }

  /**
   * Puts documents into a collection, which is made if it is not there: cuts them into chunks, embeds those whose text is
   * new, and replaces what the collection had under their ids, each document as a whole or not at all. Documents before
   * one that fails stay. With 5,000 chunks of a model the index is made, which takes about a millisecond a chunk.
   * @throws INVALID_INPUT, INVALID_STATE for another model or other dimensions than the collection holds,
   * VECTOR_UNAVAILABLE, and what embedding throws
   */
  async put(
    collection: string,
    docs: readonly DocumentInput[],
    options: PutOptions = {},
  ): Promise<PutReport> {
    checkCollection(collection);
    checkDocuments(docs);
    if (options.chunk === false) {
      refuseLong(docs);
    } else {
      checkChunkOptions(options.chunk);
    }
    await this.#open();
    await this.#refuseOtherModel(collection, options);
    const report = await putDocuments(this.#o, { collection, docs }, options);
    if (options.index !== false) {
      await this.#index(collection);
    }
    return report;
  }

  /**
   * Finds the chunks of a collection that are most like a query of 1 to 10,000 characters, the best first.
   * @throws INVALID_INPUT, also for a collection that does not exist; INVALID_STATE, VECTOR_UNAVAILABLE, and what
   * embedding throws
   */
  async search(collection: string, query: string, options: SearchOptions = {}): Promise<SearchHit[]> {
    checkCollection(collection);
    if (!isStorableText(query) || query.trim() === "" || query.length > MAX_CHUNK_CHARS) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `the query must be a text of 1 to ${MAX_CHUNK_CHARS} characters, not all of them blank`,
      );
    }
    check(options.limit, { what: "limit", least: 1, most: MAX_LIMIT, whole: true });
    check(options.minScore, { what: "minScore", least: -1, most: 1 });
    checkOneOf(options.mode, { what: "mode", allowed: ["vector", "text", "hybrid"] });
    checkFilter(options.filter);
    await this.#open();
    return searchDocuments(this.#o, { collection, query }, options);
  }

  /**
   * Deletes documents with their chunks: by their ids, by what their metadata contains, or all with their collection.
   * @returns how many there were
   * @throws INVALID_INPUT, VECTOR_UNAVAILABLE
   */
  async delete(collection: string, what: DeleteWhat): Promise<number> {
    checkCollection(collection);
    checkDelete(what);
    await this.#open();
    return deleteDocuments(this.#o.driver, collection, what);
  }

  /** The collections, by name. */
  async collections(): Promise<CollectionSummary[]> {
    return listCollections(this.#o.driver);
  }

  /**
   * Embeds all of a collection by another model. Searches use the old vectors until the new ones are complete; what was
   * done before a crash or an abort is not done again.
   * @throws INVALID_INPUT, INVALID_STATE, VECTOR_UNAVAILABLE, and what embedding throws
   */
  async reembed(collection: string, options: ReembedOptions): Promise<ReembedReport> {
    checkCollection(collection);
    if (typeof options?.model !== "string") {
      throw new GoalpostError(
        "INVALID_INPUT",
        "reembed needs { model }: what the collection is embedded by from now on",
      );
    }
    await this.#open();
    const report = await reembedCollection(this.#o, collection, options);
    await this.#index(collection);
    return report;
  }

  /** Once, unless it failed: pgvector may have come meanwhile. */
  async #open(): Promise<void> {
    this.#opened ??= openVectors(this.#o.driver).catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    await this.#opened;
  }

  async #index(collection: string): Promise<void> {
    const { model } = await requireCollection(this.#o.driver, collection);
    if (model) {
      await ensureIndex(this.#o.driver, model);
    }
  }

  async #refuseOtherModel(collection: string, { model, signal }: PutOptions): Promise<void> {
    const held = model === undefined ? null : (await findCollection(this.#o.driver, collection))?.model;
    if (!held) {
      return;
    }
    // No text is embedded: it tells which model the name stands for.
    const named = await this.#o.embed([], { model, purpose: "document", signal });
    if (named.provider !== held.provider || named.model !== held.model) {
      throw new GoalpostError(
        "INVALID_STATE",
        `the collection ${JSON.stringify(collection)} is embedded by ${held.provider}/${held.model}, not by ` +
          `${named.provider}/${named.model}. Embed it again: gp.documents.reembed(collection, { model })`,
        { details: { held: `${held.provider}/${held.model}`, given: `${named.provider}/${named.model}` } },
      );
    }
  }
}

function refuseLong(docs: readonly DocumentInput[]): void {
  const long = docs.find(({ text }) => text.length > MAX_CHUNK_CHARS);
  if (long) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `document ${JSON.stringify(long.id.slice(0, 80))} has ${long.text.length} characters; without chunks it may have ${MAX_CHUNK_CHARS}`,
    );
  }
}

function checkDelete(what: unknown): void {
  const byIds =
    typeof what === "string" || (Array.isArray(what) && what.every((id) => typeof id === "string"));
  const byFilter = isObject(what) && isObject(what.filter);
  const all = isObject(what) && what.all === true;
  if (!byIds && byFilter === all) {
    throw new GoalpostError(
      "INVALID_INPUT",
      "delete takes an id, an array of ids, { filter: { … } } or { all: true }",
    );
  }
  if (byFilter) {
    checkFilter(what.filter);
  }
}
