import type { EmbedAnswer, EmbedBatch, Embedder } from "../core/embedding.ts";
import { isGoalpostError } from "../core/errors.ts";
import { ModelError } from "../core/model.ts";
import { type LocalSource, loadFailure } from "./local-runtime.ts";

export const LOCAL_PROVIDER = "local";
/** 22 million parameters, 384 numbers, 256 tokens of a text. Licence: Apache-2.0. */
export const DEFAULT_LOCAL_MODEL = "onnx-community/all-MiniLM-L6-v2-ONNX";

/** A model that is loaded. */
export interface LocalModel {
  embed(batch: EmbedBatch): Promise<EmbedAnswer>;
  dispose(): Promise<void>;
}

export interface LocalEmbedderOptions {
  readonly source: LocalSource;
  /** What it is called. */
  readonly model: string;
  readonly dimensions: number | null;
  /** Texts in one call at most. Default 16. */
  readonly batchSize?: number | undefined;
  readonly load: (source: LocalSource) => Promise<LocalModel>;
}

/** A model in this process: loaded when it is needed first, one call at a time, and let go of when the client is closed. */
export function localEmbedder({
  source,
  model,
  dimensions,
  batchSize = 16,
  load,
}: LocalEmbedderOptions): Embedder {
  let loading: Promise<LocalModel> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const loaded = (): Promise<LocalModel> => {
    loading ??= load(source).catch((error: unknown) => {
      loading = undefined;
      throw isGoalpostError(error) ? error : loadFailure(source, error);
    });
    return loading;
  };
  return {
    provider: LOCAL_PROVIDER,
    model,
    dimensions,
    batchSize,
    // Inference holds the process up: heartbeats come in between.
    batchTokens: 4096,
    isFree: true,
    prepare: async () => {
      await loaded();
    },
    embed: (batch) => {
      const answer = last.then(async () => {
        batch.signal.throwIfAborted();
        return infer(await loaded(), model, batch);
      });
      last = answer.catch(() => undefined);
      return answer;
    },
    dispose: async () => {
      await last;
      const disposed = loading?.then((one) => one.dispose());
      loading = undefined;
      await disposed?.catch(() => undefined);
    },
  };
}

async function infer(local: LocalModel, model: string, batch: EmbedBatch): Promise<EmbedAnswer> {
  try {
    return await local.embed(batch);
  } catch (error) {
    // Its message may quote what it was given.
    const name = error instanceof Error ? error.name : typeof error;
    throw new ModelError("bad_request", `local, model "${model}", failed with ${name}`, { cause: error });
  }
}
