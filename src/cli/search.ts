import type { SearchHit } from "../index.ts";
import { EXIT } from "./report-error.ts";
import { withDatabase } from "./session.ts";

export interface SearchCommandOptions {
  readonly collection: string;
  readonly limit?: number;
  readonly hybrid?: boolean;
  readonly database?: string;
  readonly json?: boolean;
}

/** Characters of a chunk that are shown. */
const SHOWN = 200;

/** `goalpost search TEXT`: the chunks of a collection that are nearest to a text; returns the exit code. */
export async function searchCollection(text: string, options: SearchCommandOptions): Promise<number> {
  const { collection, limit, hybrid, database } = options;
  const hits = await withDatabase(database, (gp) =>
    gp.documents.search(collection, text, { limit, mode: hybrid ? "hybrid" : "vector" }),
  );
  if (options.json) {
    process.stdout.write(`${JSON.stringify(hits, null, 2)}\n`);
  } else if (hits.length === 0) {
    process.stdout.write(
      `Nothing in collection "${collection}"; goalpost embed DIR --collection ${collection} fills it.\n`,
    );
  } else {
    process.stdout.write(`${hits.map(toLines).join("\n")}\n`);
  }
  return EXIT.done;
}

function toLines({ id, text, score, chunk }: SearchHit): string {
  const line = text.replace(/\s+/g, " ");
  const shown = line.length > SHOWN ? `${line.slice(0, SHOWN - 1)}…` : line;
  return `${score.toFixed(3)}  ${id}:${chunk.start}\n       ${shown}`;
}
