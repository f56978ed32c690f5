import type { EmbedOptions } from "./core/embed-options.ts";
import type { Embedder } from "./core/embedding.ts";
import { GoalpostError } from "./core/errors.ts";
import { hashEmbedder, readHashModel } from "./embed/hash-embedder.ts";

/** A model by the name that it is asked for with. */
export interface EmbedModel {
  readonly provider: string;
  readonly model: string;
  /** One; or several whose vectors are joined. */
  readonly parts: readonly Embedder[];
}

/** Finds embedders by name, and keeps them. */
export class EmbedModels {
  readonly #options: EmbedOptions;
  readonly #found = new Map<string, EmbedModel>();

  constructor(options: EmbedOptions) {
    this.#options = options;
  }

  /** @throws INVALID_INPUT for a name that is unknown */
  find(name: string = this.#options.model ?? "hash"): EmbedModel {
    const found = this.#found.get(name) ?? this.#make(name);
    this.#found.set(name, found);
    return found;
  }

  async close(): Promise<void> {
    const all = [...this.#found.values()].flatMap(({ parts }) => parts);
    this.#found.clear();
    await Promise.allSettled(all.map((one) => one.dispose?.()));
  }

  #make(name: string): EmbedModel {
    const dimensions = readHashModel(name.replace(/^hash\//, ""));
    if (dimensions === undefined) {
      throw new GoalpostError("INVALID_INPUT", `the embedding model ${JSON.stringify(name)} is unknown`);
    }
    const embedder = hashEmbedder(dimensions);
    return { provider: embedder.provider, model: embedder.model, parts: [embedder] };
  }
}
