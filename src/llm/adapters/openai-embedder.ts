import type { EmbeddingCreateParams } from "openai/resources/embeddings";
import type { EmbedAnswer, EmbedBatch, Embedder } from "../../core/embedding.ts";
import { isGoalpostError } from "../../core/errors.ts";
import { type FailedCall, fromErrorBody, malformed, requestIdOf, toModelError } from "../model-errors.ts";
import type { EmbedderSettings } from "./embedder-settings.ts";
import { type Endpoint, secretsOf } from "./endpoint.ts";
import { isOpenAi, openAiClient, requestOptions } from "./openai-client.ts";
import { count, object, objects, textOrNull, type Wire } from "./wire.ts";

/** Of OpenAI: 2,048 texts and 300,000 tokens. Others allow less; TEI 32 texts, unless told otherwise. */
const OPENAI = { batchSize: 256, batchTokens: 200_000, concurrency: 4 };
const COMPATIBLE = { batchSize: 32, batchTokens: 32_000, concurrency: 2 };

/** Models of OpenAI, and of servers that speak its wire format. */
export function openAiEmbedder(endpoint: Endpoint, settings: EmbedderSettings): Embedder {
  const { model, dimensions, batchSize, taskOf } = settings;
  const own = isOpenAi(endpoint.baseUrl);
  const limits = own ? OPENAI : COMPATIBLE;
  const client = openAiClient(endpoint);
  const call = async (batch: EmbedBatch): Promise<EmbedAnswer> => {
    const failure = failureOf(endpoint, model, batch);
    const body: EmbeddingCreateParams & { readonly task?: string } = {
      model,
      input: [...batch.texts],
      // The SDK would ask for base64, which not all servers know.
      ...(own ? {} : { encoding_format: "float" }),
      ...(own && dimensions !== null && { dimensions }),
      ...(taskOf && { task: taskOf(batch.purpose) }),
    };
    try {
      const sdk = await client();
      const { data, response } = await sdk.embeddings.create(body, requestOptions(batch)).withResponse();
      return readAnswer(object(data as unknown), { ...failure, begun: true, headers: response.headers });
    } catch (error) {
      throw isGoalpostError(error)
        ? error
        : toModelError(error, { ...failure, aborted: batch.signal.aborted });
    }
  };
  return {
    ...limits,
    provider: endpoint.provider,
    model,
    dimensions,
    ...(batchSize !== undefined && { batchSize }),
    embed: call,
  };
}

/** What is known of a call before it is made. */
export function failureOf(endpoint: Endpoint, model: string, { timeoutMs }: EmbedBatch): FailedCall {
  return {
    provider: endpoint.provider,
    model,
    aborted: false,
    timedOut: false,
    timeoutMs,
    begun: false,
    headers: null,
    secrets: secretsOf(endpoint),
  };
}

function readAnswer(answer: Wire, failure: FailedCall): EmbedAnswer {
  if (answer.error) {
    throw fromErrorBody(answer, failure);
  }
  if (!Array.isArray(answer.data)) {
    throw malformed("answered without vectors; check the base URL", failure);
  }
  const usage = object(answer.usage);
  const tokens = count(usage.prompt_tokens) || count(usage.total_tokens);
  const { cost } = usage;
  return {
    vectors: inOrder(objects(answer.data)).map(({ embedding }) => vectorOf(embedding)),
    inputTokens: tokens === 0 ? null : tokens,
    servedModel: textOrNull(answer.model) ?? failure.model,
    requestId: requestIdOf(failure.headers),
    costUsd: typeof cost === "number" ? cost : null,
  };
}

/** By their index, if all of them have one. */
function inOrder(items: readonly Wire[]): readonly Wire[] {
  const ordered: Wire[] = [];
  for (const item of items) {
    if (typeof item.index !== "number" || ordered[item.index] !== undefined) {
      return items;
    }
    ordered[item.index] = item;
  }
  return Object.keys(ordered).length === items.length && ordered.length === items.length ? ordered : items;
}

/** What is none is empty, and found by whoever checks the vectors. */
function vectorOf(embedding: unknown): ArrayLike<number> {
  return Array.isArray(embedding) || embedding instanceof Float32Array
    ? (embedding as ArrayLike<number>)
    : [];
}
