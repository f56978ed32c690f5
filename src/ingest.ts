import { GoalpostError } from "./core/errors.ts";
import { isObject } from "./core/json.ts";
import { NO_USAGE, sumUsage, type Usage } from "./core/usage.ts";
import type { Workflow } from "./core/workflow.ts";
import type { ChunkOptions } from "./documents/chunk-options.ts";
import { type FileBatch, listFolder, readBatch, resolveFolder } from "./documents/folder-files.ts";
import { documentsOf } from "./documents-client.ts";
import { workflow } from "./workflows/builder.ts";

/** A folder whose text files are to be found. */
export interface IngestInput {
  readonly folder: string;
  /** Where they are put. Its documents' ids are absolute paths, their metadata `{ folder, path }`. */
  readonly collection: string;
  readonly chunk?: ChunkOptions | undefined;
  /** As in `gp.embed`; a collection of another model is embedded again. Default: the collection's, else the client's. */
  readonly model?: string | undefined;
}

/** What was taken in. */
export interface IngestReport {
  /** Text files of the folder. */
  readonly files: number;
  /** Those that were as the collection had them. */
  readonly unchanged: number;
  /** Documents of files that are gone. */
  readonly removed: number;
  /** Chunks of new and changed files, and those of them whose text was embedded. */
  readonly chunks: number;
  readonly embedded: number;
  readonly usage: Usage;
}

interface Ingested extends Omit<IngestReport, "removed"> {
  readonly ids: readonly string[];
}

const LIST_TIMEOUT_MS = 10 * 60_000;
const BATCH_TIMEOUT_MS = 10 * 60_000;
/** The index over all may be made, or all be embedded again. */
const WHOLE_TIMEOUT_MS = 12 * 3_600_000;
/** Batches whose texts one process embeds at once. */
const CONCURRENCY = 4;

/**
 * The built-in workflow that makes the text files of a folder searchable: `prepare_collection` embeds the collection again
 * if it has another model, `list_files` looks at the folder, `ingest_files` (a map over batches of files) reads, cuts,
 * embeds and stores what changed, `finish` removes what is gone and makes the index. It goes on where it was after a
 * crash; run again, it embeds only what changed. Every client knows it: `gp.execute(Ingest, { folder, collection })`.
 */
export const Ingest: Workflow<IngestInput, { readonly finish: IngestReport }> = workflow<IngestInput>(
  "Ingest",
)
  .step("prepare_collection", { timeoutMs: WHOLE_TIMEOUT_MS }, async ({ run }, ctx) => {
    checkInput(run);
    const { collection, model } = run;
    const folder = await resolveFolder(run.folder);
    const documents = documentsOf(ctx);
    const held = (await documents.collections()).find(({ name }) => name === collection);
    if (model === undefined || held?.model == null) {
      return { folder, embedded: 0, usage: NO_USAGE };
    }
    const { embedded, usage } = await documents.reembed(collection, { model });
    return { folder, embedded, usage };
  })
  .step(
    "list_files",
    { after: ["prepare_collection"], timeoutMs: LIST_TIMEOUT_MS },
    ({ prepare_collection: { folder } }, ctx): Promise<FileBatch[]> => listFolder(folder, ctx.signal),
  )
  .map(
    "ingest_files",
    { over: "list_files", concurrency: CONCURRENCY, timeoutMs: BATCH_TIMEOUT_MS },
    async (batch, ctx): Promise<Ingested> => {
      const { collection, chunk, model } = ctx.input.run;
      const { folder } = batch;
      const docs = (await readBatch(batch)).map(({ path, text }) => ({
        id: `${folder}/${path}`,
        text,
        metadata: { folder, path },
      }));
      const options = { chunk, model, index: false, signal: ctx.signal };
      const { documents: files, ...put } = await documentsOf(ctx).put(collection, docs, options);
      return { ...put, files, ids: docs.map(({ id }) => id) };
    },
  )
  .step(
    "finish",
    { after: ["prepare_collection", "ingest_files"], timeoutMs: WHOLE_TIMEOUT_MS },
    async ({ run, prepare_collection: again, ingest_files: all }, ctx) => {
      const documents = documentsOf(ctx);
      const except = all.flatMap(({ ids }) => ids);
      const filter = { folder: again.folder };
      const removed = await documents.delete(run.collection, { filter, except });
      // It has nothing to store: the index is made.
      await documents.put(run.collection, []);
      const sum = (pick: (one: Ingested) => number): number =>
        all.reduce((total, one) => total + pick(one), 0);
      return {
        files: sum((one) => one.files),
        unchanged: sum((one) => one.unchanged),
        removed,
        chunks: sum((one) => one.chunks),
        embedded: again.embedded + sum((one) => one.embedded),
        usage: all.map(({ usage }) => usage).reduce(sumUsage, again.usage),
      };
    },
  );

/** @throws INVALID_INPUT */
function checkInput(run: unknown): void {
  if (!isObject(run) || typeof run.folder !== "string" || run.folder === "") {
    throw new GoalpostError(
      "INVALID_INPUT",
      "the input of Ingest must be { folder, collection, chunk?, model? }",
    );
  }
}
