import { storeBytes } from "./cassette-file.ts";
import type { CassetteRequest } from "./cassette-key.ts";
import { pathOf, type Redaction } from "./cassette-secrets.ts";

/** A request that was read, so that it can be sent, compared and kept. */
export interface ReadRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Buffer;
  readonly signal: AbortSignal;
  /** Sends it, by another fetch. */
  send(fetch: typeof globalThis.fetch): Promise<Response>;
}

/** Reads what a fetch was given. */
export async function readRequest(input: string | URL | Request, init?: RequestInit): Promise<ReadRequest> {
  const request = new Request(input, init);
  const body = Buffer.from(await request.arrayBuffer());
  const { method, headers, signal, redirect } = request;
  return {
    url: new URL(request.url),
    method,
    headers,
    body,
    signal,
    // What fetch knows besides (a dispatcher, for one) is in init only.
    send: (fetch) =>
      fetch(request.url, {
        ...init,
        method,
        headers,
        signal,
        redirect,
        body: body.length > 0 ? body : null,
      }),
  };
}

/** Headers that say what is asked, and tell nothing of who asks. */
const KEPT_HEADERS = ["accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta"];

/** The request as it is recorded. */
export function toRecord({ method, url, headers, body }: ReadRequest, redact: Redaction): CassetteRequest {
  const type = headers.get("content-type") ?? "";
  // Every form has a boundary of its own.
  const boundary = /boundary="?([^";]+)/.exec(type)?.[1];
  const steady = (text: string): string => (boundary ? text.replaceAll(boundary, "boundary") : text);
  const kept = KEPT_HEADERS.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, redact.text(steady(value))] as const];
  });
  return {
    method,
    path: pathOf(url, redact),
    body: toBody(body, steady, redact),
    headers: Object.fromEntries(kept),
  };
}

function toBody(bytes: Buffer, steady: (text: string) => string, redact: Redaction): unknown {
  if (bytes.length === 0) {
    return null;
  }
  const stored = storeBytes(redact.bytes([bytes])[0] ?? Buffer.alloc(0));
  if (typeof stored !== "string") {
    return stored;
  }
  try {
    return JSON.parse(stored);
  } catch {
    return steady(stored);
  }
}
