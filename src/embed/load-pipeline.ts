import type { Tensor } from "@huggingface/transformers";
import type { LocalEmbedModel } from "../core/embed-options.ts";
import type { LocalModel } from "./local-embedder.ts";
import { type LocalSource, loadOptions, loadTransformers } from "./local-runtime.ts";

/** Loads a model that the feature-extraction pipeline of @huggingface/transformers can run. */
export async function loadPipeline(
  source: LocalSource,
  pooling: NonNullable<LocalEmbedModel["pooling"]>,
): Promise<LocalModel> {
  const { pipeline } = await loadTransformers();
  const extract = await pipeline("feature-extraction", source.path, loadOptions(source));
  return {
    async embed({ texts }) {
      const inputs = (await extract.tokenizer([...texts], {
        padding: true,
        truncation: true,
      })) as TokenInputs;
      const output = await extract([...texts], { pooling, normalize: false });
      return { vectors: rowsOf(output), inputTokens: tokensOf(inputs) };
    },
    dispose: async () => {
      await extract.dispose();
    },
  };
}

/** What a tokenizer makes of texts. */
export interface TokenInputs {
  readonly input_ids: Tensor;
  readonly attention_mask: Tensor;
}

/** Tokens of all texts, without the padding. */
export function tokensOf({ attention_mask: { data } }: TokenInputs): number {
  let tokens = 0;
  for (const bit of data as BigInt64Array) {
    tokens += Number(bit);
  }
  return tokens;
}

/** A tensor of [texts, numbers] as one vector a text. */
export function rowsOf({ dims, data }: Pick<Tensor, "dims" | "data">): readonly ArrayLike<number>[] {
  const [rows = 0, width = 0] = dims;
  const numbers = data as Float32Array;
  return Array.from({ length: rows }, (_, row) => numbers.slice(row * width, (row + 1) * width));
}
