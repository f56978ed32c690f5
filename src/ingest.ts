import { join, resolve } from "node:path";
import type { Workflow } from "./core/workflow.ts";
import type { ChunkOptions } from "./documents/chunk.ts";
import type { Documents, PutReport } from "./documents/documents.ts";
import { listTextFiles, readTextFile } from "./ingest-files.ts";
import { workflow } from "./workflows/builder.ts";

/** Files that are read, embedded and stored together. */
const FILES_AT_ONCE = 50;
/** Batches that are under way at once. */
const BATCHES_AT_ONCE = 2;
/** A batch may wait for a rate limit. */
const STORE_TIMEOUT_MS = 600_000;

/** A folder whose texts are to be searched. */
export interface IngestInput {
  readonly folder: string;
  readonly collection: string;
  /** As in `gp.embed`. Default: the collection's. */
  readonly model?: string;
  readonly chunk?: ChunkOptions;
}

/** What became of it. */
export interface IngestOutput {
  /** Files that are in the collection now. */
  readonly files: number;
  /** Of these, those that were new or had changed. */
  readonly stored: number;
  readonly unchanged: number;
  /** Files that are no texts, or too large. */
  readonly skipped: number;
  /** Documents of files that are gone. */
  readonly removed: number;
  readonly chunks: number;
  /** Chunks that were sent to the model. */
  readonly embedded: number;
}

interface BatchReport extends Pick<PutReport, "stored" | "unchanged" | "chunks" | "embedded"> {
  readonly skipped: number;
}

/**
 * The workflow that brings a collection up to a folder: lists its files, reads, cuts, embeds and stores them in batches,
 * and removes the documents of files that are gone. What has not changed is not embedded again; after a crash only
 * batches that were under way are done again. The id of a document is the file's path from the folder, and its metadata
 * are `{ folder, path }`.
 * @param documents `gp.documents`
 */
export function ingest(documents: Documents): Workflow<IngestInput, { readonly tidy: IngestOutput }> {
  return workflow<IngestInput>("ingest")
    .step("list", async ({ run }) => {
      const files = await listTextFiles(run.folder);
      return Array.from({ length: Math.ceil(files.length / FILES_AT_ONCE) }, (_, index) =>
        files.slice(index * FILES_AT_ONCE, (index + 1) * FILES_AT_ONCE),
      );
    })
    .map("store", { over: "list", concurrency: BATCHES_AT_ONCE, timeoutMs: STORE_TIMEOUT_MS }, (paths, ctx) =>
      storeFiles(documents, ctx.input.run, { paths, signal: ctx.signal }),
    )
    .step("tidy", { after: ["list", "store"] }, async ({ run, list, store }) => {
      const there = new Set(list.flat());
      const folder = resolve(run.folder);
      const ids = await documents.idsWhere(run.collection, { folder });
      const gone = ids.filter((id) => !there.has(id));
      const removed = gone.length > 0 ? await documents.delete(run.collection, { ids: gone }) : 0;
      return { ...store.reduce(addUp, NOTHING), files: ids.length - removed, removed };
    });
}

const NOTHING: BatchReport = { stored: 0, unchanged: 0, chunks: 0, embedded: 0, skipped: 0 };

function addUp(a: BatchReport, b: BatchReport): BatchReport {
  return {
    stored: a.stored + b.stored,
    unchanged: a.unchanged + b.unchanged,
    chunks: a.chunks + b.chunks,
    embedded: a.embedded + b.embedded,
    skipped: a.skipped + b.skipped,
  };
}

async function storeFiles(
  documents: Documents,
  { folder, collection, model, chunk }: IngestInput,
  { paths, signal }: { readonly paths: readonly string[]; readonly signal: AbortSignal },
): Promise<BatchReport> {
  const root = resolve(folder);
  const read = await Promise.all(
    paths.map(async (path) => ({
      id: path,
      text: await readTextFile(join(root, path)),
      metadata: { folder: root, path },
    })),
  );
  const texts = read.filter((doc): doc is typeof doc & { text: string } => doc.text !== undefined);
  const gone = read.filter((doc) => doc.text === undefined).map(({ id }) => id);
  if (gone.length > 0) {
    await documents.delete(collection, { ids: gone });
  }
  const { usage: _, ...report } = await documents.put(collection, texts, { model, chunk, signal });
  return { ...report, skipped: gone.length };
}
