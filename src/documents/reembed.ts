import { GoalpostError } from "../core/errors.ts";
import { NO_USAGE, sumUsage, type Usage } from "../core/usage.ts";
import { findCollection, keepModel, requireCollection, setModel } from "./collections.ts";
import { embedChecked } from "./embed-checked.ts";
import type { PutParts } from "./put-documents.ts";
import { toScaledSql } from "./scaled-vector.ts";
import type { StoredModel } from "./vector-index.ts";

/** How a collection is embedded again. */
export interface ReembedOptions {
  /** The new model, as in `gp.embed`. */
  readonly model: string;
  readonly signal?: AbortSignal | undefined;
  /** Told of the chunks that are embedded, of all of them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What embedding again came to. */
export interface ReembedReport {
  /** Chunks that were embedded; none if the collection had the model. */
  readonly embedded: number;
  readonly provider: string;
  readonly model: string;
  readonly dimensions: number;
  readonly usage: Usage;
}

const BATCH = 500;

const MISSING = `select c.document_id::text, c.ordinal, c.text from goalpost.document_chunks c
  where c.collection_id = $1::bigint and not exists (select from goalpost.document_vectors v
    where v.document_id = c.document_id and v.ordinal = c.ordinal and v.model_id = $2::int)
  order by c.document_id, c.ordinal limit $3::int`;

// A chunk that was replaced meanwhile is not there any more, or has another text.
const ADD = `insert into goalpost.document_vectors (model_id, collection_id, document_id, ordinal, embedding)
  select $1::int, $2::bigint, c.document_id, c.ordinal, l2_normalize(u.vector::vector)
  from unnest($3::bigint[], $4::int[], $5::text[], $6::text[]) u (document_id, ordinal, text, vector)
  join goalpost.document_chunks c on c.document_id = u.document_id and c.ordinal = u.ordinal and c.text = u.text
  on conflict do nothing`;

const DROP_OTHERS =
  "delete from goalpost.document_vectors where collection_id = $1::bigint and model_id <> $2::int";

type MissingRow = { document_id: string; ordinal: number; text: string };

/**
 * Embeds the chunks of a collection by another model, beside the vectors that it has: searches use those until all are
 * there. What was embedded before a crash is not embedded again.
 */
export async function reembedCollection(
  parts: PutParts,
  collection: string,
  { model, signal, onProgress }: ReembedOptions,
): Promise<ReembedReport> {
  const { driver, embed } = parts;
  const { id, chunks, model: old } = await requireCollection(driver, collection);
  // Any text tells which model the name stands for, and how many dimensions it has.
  const probe = await embedChecked(embed, {
    texts: ["probe"],
    purpose: "document",
    held: null,
    model,
    signal,
  });
  const wanted = await keepModel(driver, probe);
  let usage = probe.usage;
  let embedded = 0;
  for (;;) {
    signal?.throwIfAborted();
    const rows = await driver.query<MissingRow>(MISSING, [id, wanted.id, BATCH]);
    if (rows.length === 0 && (await switchTo(parts, collection, { id, wanted, old }))) {
      return { embedded, ...named(wanted), usage };
    }
    if (rows.length > 0) {
      const texts = rows.map((row) => row.text);
      const answer = await embedChecked(embed, { texts, purpose: "document", held: wanted, signal });
      const vectors = answer.vectors.map(toScaledSql);
      const [documents, ordinals] = [rows.map((row) => row.document_id), rows.map((row) => row.ordinal)];
      await driver.transaction(async (tx) => {
        // Who replaces chunks removes their vectors: not between the two.
        await findCollection(tx, collection, { lock: true });
        await tx.query(ADD, [wanted.id, id, documents, ordinals, texts, vectors]);
      });
      usage = sumUsage(usage, answer.usage ?? NO_USAGE);
      embedded += rows.length;
      onProgress?.(embedded, Math.max(embedded, chunks));
    }
  }
}

function named({ provider, model, dimensions }: StoredModel): Omit<StoredModel, "id"> {
  return { provider, model, dimensions };
}

/** False if chunks came in meanwhile that the new model has not seen. */
async function switchTo(
  { driver }: PutParts,
  collection: string,
  { id, wanted, old }: { id: number; wanted: StoredModel; old: StoredModel | null },
): Promise<boolean> {
  return driver.transaction(async (tx) => {
    const now = await findCollection(tx, collection, { lock: true });
    if (now?.id !== id || now.model?.id !== old?.id) {
      throw new GoalpostError(
        "INVALID_STATE",
        `the collection ${JSON.stringify(collection)} was deleted or given another model meanwhile`,
      );
    }
    if ((await tx.query(MISSING, [id, wanted.id, 1])).length > 0) {
      return false;
    }
    await setModel(tx, id, wanted.id);
    await tx.query(DROP_OTHERS, [id, wanted.id]);
    return true;
  });
}
