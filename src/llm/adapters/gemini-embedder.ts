import type { EmbedAnswer, EmbedBatch, Embedder, EmbedPurpose } from "../../core/embedding.ts";
import { isGoalpostError } from "../../core/errors.ts";
import { malformed, requestIdOf, toModelError } from "../model-errors.ts";
import type { EmbedderSettings } from "./embedder-settings.ts";
import { type Endpoint, fetchOf } from "./endpoint.ts";
import { makeGeminiClient } from "./gemini-client.ts";
import { once } from "./load-sdk.ts";
import { failureOf } from "./openai-embedder.ts";
import { count, object, objects } from "./wire.ts";

const TASKS: Readonly<Record<EmbedPurpose, string>> = {
  query: "RETRIEVAL_QUERY",
  document: "RETRIEVAL_DOCUMENT",
  similarity: "SEMANTIC_SIMILARITY",
  classification: "CLASSIFICATION",
  clustering: "CLUSTERING",
};

/** Google's models over the Gemini API. */
export function geminiEmbedder(endpoint: Endpoint, settings: EmbedderSettings): Embedder {
  const { model, dimensions, batchSize = 100 } = settings;
  const client = once(() => makeGeminiClient(endpoint));
  return {
    provider: endpoint.provider,
    model,
    dimensions,
    batchSize,
    batchTokens: 20_000,
    concurrency: 4,
    async embed(batch) {
      let headers: Headers | null = null;
      let begun = false;
      // The SDK keeps the headers to itself.
      const fetch: typeof globalThis.fetch = async (input, init) => {
        const response = await fetchOf(endpoint)(input, init);
        headers = response.headers;
        begun = response.ok;
        return response;
      };
      const failure = failureOf(endpoint, model, batch);
      try {
        const sdk = await client();
        const answer = object((await sdk.models.embedContent(paramsOf(settings, batch, fetch))) as unknown);
        if (!Array.isArray(answer.embeddings)) {
          throw malformed("answered without vectors; check the base URL", { ...failure, headers });
        }
        return readAnswer(answer, headers);
      } catch (error) {
        throw isGoalpostError(error)
          ? error
          : toModelError(error, { ...failure, headers, begun, aborted: batch.signal.aborted });
      }
    },
  };
}

/** Each text is a content of its own: as parts of one they would be one vector. */
function paramsOf(
  { model, dimensions }: EmbedderSettings,
  { texts, purpose, signal, timeoutMs, callId }: EmbedBatch,
  fetch: typeof globalThis.fetch,
): Parameters<Awaited<ReturnType<typeof makeGeminiClient>>["models"]["embedContent"]>[0] {
  return {
    model,
    contents: texts.map((text) => ({ parts: [{ text }] })),
    config: {
      taskType: TASKS[purpose],
      ...(dimensions !== null && { outputDimensionality: dimensions }),
      abortSignal: signal,
      httpOptions: { timeout: timeoutMs, headers: { "x-client-request-id": callId }, fetch },
    },
  };
}

function readAnswer(answer: Readonly<Record<string, unknown>>, headers: Headers | null): EmbedAnswer {
  const items = objects(answer.embeddings);
  const ofEach = items.map(({ statistics }) => count(object(statistics).tokenCount));
  const tokens =
    count(object(answer.usageMetadata).promptTokenCount) || ofEach.reduce((sum, own) => sum + own, 0);
  return {
    vectors: items.map(({ values }) => (Array.isArray(values) ? (values as number[]) : [])),
    inputTokens: tokens === 0 ? null : tokens,
    requestId: requestIdOf(headers),
  };
}
