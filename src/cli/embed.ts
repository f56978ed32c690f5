import { resolve } from "node:path";
import { Goalpost, ingest, silentLogger } from "../index.ts";
import { EXIT } from "./report-error.ts";

export interface EmbedCommandOptions {
  readonly collection: string;
  readonly model?: string;
  readonly database?: string;
  readonly json?: boolean;
}

/** `goalpost embed DIR`: brings a collection up to the texts of a folder; returns the exit code. */
export async function embedFolder(folder: string, options: EmbedCommandOptions): Promise<number> {
  const { collection, model, database } = options;
  await using gp = await Goalpost.open({ database, logger: silentLogger });
  const input = { folder: resolve(folder), collection, ...(model !== undefined && { model }) };
  const { output, usage, runId } = await gp.execute(ingest(gp.documents), input);
  const report = output.tidy;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ runId, collection, ...report, usage }, null, 2)}\n`);
    return EXIT.done;
  }
  const changed = `${report.stored} stored, ${report.unchanged} unchanged, ${report.removed} removed`;
  process.stdout.write(
    `${report.files} files in collection "${collection}": ${changed}; ${report.embedded} of ${report.chunks} chunks embedded\n`,
  );
  return EXIT.done;
}
