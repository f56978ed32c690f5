import { relative } from "node:path";
import { Goalpost, Ingest, type SearchOptions } from "../index.ts";
import { formatUsage, paintFor, shorten } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { announceFirstStart, quietLogger, withDatabase } from "./session.ts";

export interface EmbedCommandOptions {
  readonly collection: string;
  readonly model?: string;
  readonly database?: string;
  readonly json?: boolean;
}

/** `goalpost embed`: makes the text files of a folder searchable; returns the exit code. */
export async function embedFolder(folder: string, options: EmbedCommandOptions): Promise<number> {
  const { collection, model, database, json } = options;
  announceFirstStart(database);
  // It is here for this folder: runs that others started are for workers.
  await using gp = await Goalpost.open({ database, logger: quietLogger, workers: { queues: [] } });
  const input = { folder, collection, ...(model !== undefined && { model }) };
  const { finish: report } = (await gp.execute(Ingest, input)).output;
  if (json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return EXIT.done;
  }
  const { files, unchanged, removed, embedded, usage } = report;
  process.stdout.write(
    `${files} text files in collection ${collection}: ${files - unchanged} new or changed, ${removed} removed; ${embedded} chunks embedded\n`,
  );
  if (usage.calls > 0) {
    process.stdout.write(`${formatUsage(usage)}\n`);
  }
  return EXIT.done;
}

export interface SearchCommandOptions {
  readonly collection: string;
  readonly limit?: number;
  readonly mode?: SearchOptions["mode"];
  readonly database?: string;
  readonly json?: boolean;
}

/** Characters of a chunk that are shown. */
const SHOWN_CHARS = 200;

/** `goalpost search`: what was embedded and fits a text; returns the exit code. */
export async function searchFiles(text: string, options: SearchCommandOptions): Promise<number> {
  const { collection, limit, mode, database, json } = options;
  return withDatabase(database, async (gp) => {
    const hits = await gp.documents.search(collection, text, { limit, mode });
    if (json) {
      process.stdout.write(`${JSON.stringify(hits, null, 2)}\n`);
      return EXIT.done;
    }
    const paint = paintFor(process.stdout);
    for (const { id, score, start, text: chunk, metadata } of hits) {
      const name = typeof metadata.folder === "string" ? relative(process.cwd(), id) : id;
      process.stdout.write(`${paint("bold", shorten(name, 200))} at ${start}, ${score.toFixed(3)}\n`);
      process.stdout.write(`  ${shorten(chunk, SHOWN_CHARS)}\n`);
    }
    if (hits.length === 0) {
      process.stdout.write("nothing was found\n");
    }
    return EXIT.done;
  });
}
