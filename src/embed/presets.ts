import type { EmbedPurpose } from "../core/embedding.ts";

/** A model that is known by name, but for where it is served. */
export interface EmbedPreset {
  /** What its makers call it. */
  readonly model: string;
  readonly dimensions: number;
  /** What servers that know tasks are told of a purpose. */
  readonly taskOf?: ((purpose: EmbedPurpose) => string) | undefined;
  /** Its ONNX form is told the task, too. */
  readonly needsTask: boolean;
}

/** The tasks of jina-embeddings-v3 in the order of its adapters, for models whose config does not list them. */
export const JINA_TASKS = [
  "retrieval.query",
  "retrieval.passage",
  "separation",
  "classification",
  "text-matching",
] as const;

const JINA_TASK: Readonly<Record<EmbedPurpose, (typeof JINA_TASKS)[number]>> = {
  query: "retrieval.query",
  document: "retrieval.passage",
  similarity: "text-matching",
  classification: "classification",
  clustering: "separation",
};

/** The task of jina-embeddings-v3 that a purpose stands for. */
export function jinaTask(purpose: EmbedPurpose): (typeof JINA_TASKS)[number] {
  return JINA_TASK[purpose];
}

export const PRESETS: Readonly<Record<string, EmbedPreset>> = {
  /** Licence: QodoAI-Open-RAIL-M. */
  qodo: { model: "Qodo/Qodo-Embed-1-1.5B", dimensions: 1536, needsTask: false },
  /** Licence: CC BY-NC-4.0, not for commercial use. */
  "jina-v3": {
    model: "jinaai/jina-embeddings-v3",
    dimensions: 1024,
    taskOf: jinaTask,
    needsTask: true,
  },
};

/** What "combined" is made of. */
export const COMBINED: readonly string[] = ["qodo", "jina-v3"];
