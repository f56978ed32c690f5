import { toSql } from "pgvector";
import type { Driver } from "../core/driver.ts";
import type { EmbedTexts } from "../core/embedding.ts";
import { GoalpostError } from "../core/errors.ts";
import { type CollectionModel, ensureModel } from "./collection-store.ts";

export interface ReembedParts {
  readonly driver: Driver;
  readonly embed: EmbedTexts;
}

export interface Reembedding {
  readonly collection: string;
  readonly from: CollectionModel;
  /** As `gp.embed` is asked for it. */
  readonly model: string;
  readonly signal: AbortSignal | undefined;
}

const TEXTS = `
  select distinct on (hash) hash, text from goalpost.chunks
  where collection = $1 and hash > $2 order by hash limit 1000`;

const SET = `
  update goalpost.chunks k set embedding = r.v::vector, model_id = $2::int
  from unnest($3::text[], $4::text[]) r(h, v) where k.collection = $1 and k.hash = r.h`;

/**
 * Embeds all chunks of a collection with another model, and changes it over in one transaction: searches see the old one
 * until then. What is embedded before a failure is asked for again.
 */
export async function reembedCollection(
  { driver, embed }: ReembedParts,
  { collection, from, model, signal }: Reembedding,
): Promise<CollectionModel> {
  const vectors = new Map<string, string>();
  let next: CollectionModel | undefined;
  for (let after = ""; ; ) {
    const rows = await driver.query<{ hash: string; text: string }>(TEXTS, [collection, after]);
    const last = rows.at(-1);
    if (!last) {
      break;
    }
    after = last.hash;
    const answer = await embed(
      rows.map(({ text }) => text),
      { model, purpose: "document", signal },
    );
    rows.forEach(({ hash }, index) => {
      vectors.set(hash, toSql(Array.from(answer.vectors[index] as readonly number[])) as string);
    });
    next ??= {
      id: await ensureModel(driver, answer),
      name: `${answer.provider}/${answer.model}`,
      dimensions: answer.dimensions,
    };
    if (next.id === from.id) {
      return from;
    }
  }
  if (!next) {
    await driver.query("update goalpost.collections set model_id = null where name = $1", [collection]);
    return from;
  }
  const { id } = next;
  await driver.transaction(async (tx) => {
    // Nobody puts documents in between: the row of the collection is locked.
    const [same] = await tx.query(
      "update goalpost.collections set model_id = $3::int where name = $1 and model_id = $2::int returning name",
      [collection, from.id, id],
    );
    await tx.query(SET, [collection, id, [...vectors.keys()], [...vectors.values()]]);
    const [left] = await tx.query<{ count: number }>(
      "select count(*)::int as count from goalpost.chunks where collection = $1 and model_id <> $2::int",
      [collection, id],
    );
    if (!same || (left?.count ?? 0) > 0) {
      throw new GoalpostError(
        "INVALID_STATE",
        `collection "${collection}" has changed while it was embedded with ${model}; do it again`,
      );
    }
  });
  return next;
}
