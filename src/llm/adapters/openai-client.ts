import type OpenAI from "openai";
import { type Endpoint, fetchOf } from "./endpoint.ts";
import { loadSdk, once } from "./load-sdk.ts";

/** OpenAI's client, made when it is needed first. */
export function openAiClient(endpoint: Endpoint): () => Promise<OpenAI> {
  return once(async () => {
    const sdk = await loadSdk("openai", () => import("openai"));
    const own = isOpenAi(endpoint.baseUrl);
    return new sdk.default({
      apiKey: endpoint.apiKey,
      adminAPIKey: null,
      baseURL: endpoint.baseUrl,
      defaultHeaders: endpoint.headers,
      fetch: fetchOf(endpoint),
      // Tries are ours to make and to count.
      maxRetries: 0,
      // The SDK would print what it cannot parse.
      logLevel: "off",
      // OPENAI_ORG_ID and OPENAI_PROJECT_ID are nobody else's business.
      ...(own ? {} : { organization: null, project: null }),
    });
  });
}

export function isOpenAi(baseUrl: string): boolean {
  return new URL(baseUrl).hostname === "api.openai.com";
}

/** What goes with every request of OpenAI's SDK. */
export function requestOptions(call: {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly callId: string;
}): { signal: AbortSignal; timeout: number; headers: Record<string, string> } {
  return {
    signal: call.signal,
    timeout: call.timeoutMs,
    headers: { "x-client-request-id": call.callId },
  };
}
