import type { Embedded, EmbedFunction, EmbedResult, EmbedResults, EmbedTexts } from "./core/embedding.ts";
import { checkEmbedRequest, checkTexts, type GivenRequest } from "./embed/check-request.ts";
import type { LlmClient } from "./llm-client.ts";

export function clientEmbed(client: Pick<LlmClient, "embedApart">): EmbedFunction {
  return (async (request: GivenRequest) => {
    const { texts, purpose } = checkEmbedRequest(request);
    const { model, onProgress, labels, signal } = request;
    const asked = { texts, model, purpose, onProgress };
    return toEmbedResult(request, await client.embedApart(asked, { labels, signal }));
  }) as EmbedFunction;
}

/** The same for other parts of the client. @throws INVALID_INPUT for texts that are empty, and as `gp.embed` */
export function clientEmbedTexts(client: Pick<LlmClient, "embedApart">): EmbedTexts {
  return async (texts, { model, purpose, signal, onProgress }) => {
    checkTexts(texts);
    return client.embedApart({ texts, model, purpose, onProgress }, { signal });
  };
}

/** In the form of the request: one, or many. */
export function toEmbedResult(
  { query }: GivenRequest,
  { vectors, provider, model, dimensions, usage }: Embedded,
): EmbedResult | EmbedResults {
  const by = { provider, model, embeddingDim: dimensions, usage };
  return query === undefined
    ? { embeddings: vectors, ...by }
    : { embedding: vectors[0] as readonly number[], ...by };
}
