import type { GoogleGenAI } from "@google/genai";
import type { Endpoint } from "./endpoint.ts";
import { loadSdk } from "./load-sdk.ts";

/** Google's client. */
export async function makeGeminiClient(endpoint: Endpoint): Promise<GoogleGenAI> {
  const sdk = await loadSdk("@google/genai", () => import("@google/genai"));
  const { baseUrl, apiVersion } = splitVersion(endpoint.baseUrl);
  return new sdk.GoogleGenAI({
    apiKey: endpoint.apiKey,
    // GOOGLE_GENAI_USE_VERTEXAI would send everything elsewhere.
    vertexai: false,
    ...(apiVersion === undefined ? {} : { apiVersion }),
    httpOptions: { baseUrl, headers: { ...endpoint.headers } },
  });
}

/** The SDK puts the version between the base URL and the path. */
function splitVersion(given: string): { readonly baseUrl: string; readonly apiVersion: string | undefined } {
  const found = /^(.*)\/(v\d+[a-z0-9]*)$/.exec(given);
  return { baseUrl: found?.[1] ?? given, apiVersion: found?.[2] };
}
