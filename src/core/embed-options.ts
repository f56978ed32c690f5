import type { Embedder } from "./embedding.ts";
import type { ProviderOptions } from "./llm-options.ts";

/** A model that a provider of `llm.providers` serves. */
export interface ProviderEmbedModel {
  /** Its name in `llm.providers`, or "openai" or "gemini" with a key in the environment. */
  readonly provider: string;
  /** Default: of presets, what the makers call it; else the name of the entry. */
  readonly model?: string | undefined;
  /**
   * How many numbers its vectors have. OpenAI and Gemini are asked for so many; others are checked. Default: of presets
   * what they have, else what comes.
   */
  readonly dimensions?: number | undefined;
  /** Texts in one call at most. Default 256 of OpenAI, 100 of Gemini, 32 of others. */
  readonly batchSize?: number | undefined;
}

/** A model on a server of its own that speaks OpenAI's wire format: vLLM, TEI, Ollama, Jina's API, … */
export interface ServedEmbedModel
  extends Omit<ProviderEmbedModel, "provider">,
    Pick<ProviderOptions, "apiKey" | "headers" | "fetch"> {
  /** Such as http://localhost:8000/v1. */
  readonly baseUrl: string;
}

/** An ONNX model that runs in this process, by @huggingface/transformers. */
export interface LocalEmbedModel {
  /** A directory (absolute, or beginning with "./" or "../"), or an id of the Hugging Face hub. */
  readonly path: string;
  /** How the vectors of tokens become the text's. Default "mean". */
  readonly pooling?: "mean" | "cls" | "last_token" | undefined;
  /** Which of the model's files: "fp32", "fp16", "q8", "q4", … Default "fp32". */
  readonly dtype?: string | undefined;
  readonly dimensions?: number | undefined;
  /** Texts in one call at most: inference holds the process up. Default 16. */
  readonly batchSize?: number | undefined;
}

/** Several models whose vectors, each of length 1, are joined and brought to length 1 again. */
export interface CombinedEmbedModel {
  /** Their names. */
  readonly of: readonly string[];
}

/** Where a model is served. An {@link Embedder} of one's own fits, too. */
export type EmbedModelOptions =
  | ProviderEmbedModel
  | ServedEmbedModel
  | LocalEmbedModel
  | CombinedEmbedModel
  | Embedder;

/** How texts are embedded. */
export interface EmbedOptions {
  /** The model of requests that name none. Default: see {@link EmbedCallOptions.model}. */
  readonly model?: string | undefined;
  /**
   * Models by the names that requests use. Three are known, but for where they are served:
   * - `qodo`: Qodo-Embed-1-1.5B, 1,536 numbers, for code. Its licence is QodoAI-Open-RAIL-M.
   * - `jina-v3`: jina-embeddings-v3, 1,024 numbers. It is told the task that the purpose stands for. Its licence is
   *   CC BY-NC-4.0: not for commercial use.
   * - `combined`: both of these joined, 2,560 numbers; `{ of: [names] }` makes another.
   *
   * @example
   * { qodo: { baseUrl: "http://localhost:8000/v1" }, "jina-v3": { path: "/models/jina-embeddings-v3" } }
   */
  readonly models?: Readonly<Record<string, EmbedModelOptions>> | undefined;
  /** Of models that run in this process. */
  readonly local?:
    | {
        /** Where downloaded models are kept. Default: XDG_CACHE_HOME or ~/.cache, in goalpost/models. */
        readonly cacheDir?: string | undefined;
        /** False: only what is there already is used. Default true: ids are downloaded from the Hugging Face hub. */
        readonly allowRemote?: boolean | undefined;
      }
    | undefined;
}
