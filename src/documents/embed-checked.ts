import type { Embedded, EmbedPurpose, EmbedTexts } from "../core/embedding.ts";
import { GoalpostError } from "../core/errors.ts";
import { problemOfVectors } from "../core/vectors.ts";
import type { StoredModel } from "./vector-index.ts";

/** What is embedded, and with what. */
export interface ToEmbed {
  readonly texts: readonly string[];
  readonly purpose: EmbedPurpose;
  /** The model that the collection holds; null if it holds none yet. */
  readonly held: StoredModel | null;
  /** The model to use if it holds none. Default: the client's. */
  readonly model?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Embeds texts for a collection: by the model that it holds, if it holds one.
 * @throws INVALID_STATE if the vectors are not like those that it holds; RESPONSE_INVALID if they are none
 */
export async function embedChecked(embed: EmbedTexts, asked: ToEmbed): Promise<Embedded> {
  const { texts, purpose, held, signal, onProgress } = asked;
  const model = held ? `${held.provider}/${held.model}` : asked.model;
  const embedded = await embed(texts, { model, purpose, signal, onProgress });
  const { dimensions } = embedded;
  if (held && dimensions !== held.dimensions) {
    throw new GoalpostError(
      "INVALID_STATE",
      `the collection holds vectors of ${held.dimensions} dimensions, and ${model} made some of ${dimensions}. ` +
        "If it is another model now, embed the collection again: gp.documents.reembed(collection, { model })",
      { details: { expected: held.dimensions, given: dimensions } },
    );
  }
  const problem = problemOfVectors(embedded.vectors, { texts: texts.length, dimensions });
  if (problem) {
    throw new GoalpostError("RESPONSE_INVALID", `${embedded.provider}/${embedded.model} ${problem.message}`);
  }
  return embedded;
}
