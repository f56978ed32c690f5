import { z } from "zod";
import { defineStep, GoalpostError, NonRetryableError, RetryAfterError, type StepMap } from "../index.ts";
import { type HttpAnswer, type HttpOptions, httpGet } from "./steps-http.ts";
import { decodeText, isHtml, isText, readPage } from "./steps-text.ts";

const DEFAULT_BYTES = 500_000;
const MAX_BYTES = 5_000_000;
/** Milliseconds that a page may take, redirects included. */
const PAGE_TIMEOUT_MS = 30_000;
/** Milliseconds that a server may ask to wait; a longer wait is not worth it. */
const MAX_RETRY_AFTER_MS = 300_000;

const args = z.object({
  url: z.string().describe("an http or https address in the public internet"),
  maxBytes: z
    .number()
    .int()
    .min(1)
    .max(MAX_BYTES)
    .optional()
    .describe(`bytes of the page; what is beyond is cut. Default ${DEFAULT_BYTES}`),
});

/** What `http_get` returns. */
export interface FetchedPage {
  /** After redirects. */
  readonly url: string;
  readonly contentType: string;
  readonly title: string | null;
  /** Of HTML, what there is to read. */
  readonly text: string;
  /** True if the text is only the beginning. */
  readonly cut: boolean;
}

/** What tests may set, and nobody else. */
export type GetLimits = Pick<HttpOptions, "allow" | "lookup"> & { readonly timeoutMs?: number };

/** Reads pages of the public internet. */
export function httpGetStep(): StepMap[string] {
  return defineStep({
    description:
      "Fetches a page or document from the internet as text; HTML is reduced to its text. Returns { url, contentType, title, text, cut }",
    args,
    timeoutMs: PAGE_TIMEOUT_MS + 5000,
    execute: ({ url, maxBytes = DEFAULT_BYTES }, ctx) => getPage(url, { maxBytes, signal: ctx.signal }),
  });
}

/** @throws INVALID_INPUT for what is refused; STEP_FAILED, tried again if that may help */
export async function getPage(
  given: string,
  { maxBytes, signal }: Pick<HttpOptions, "maxBytes" | "signal">,
  { timeoutMs = PAGE_TIMEOUT_MS, ...limits }: GetLimits = {},
): Promise<FetchedPage> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await httpGet(given, { maxBytes, signal: AbortSignal.any([signal, timeout]), ...limits });
    throwForStatus(answer);
    return toPage(answer);
  } catch (error) {
    if (timeout.aborted && !signal.aborted) {
      throw new GoalpostError("STEP_FAILED", `the page took more than ${timeoutMs} ms`);
    }
    throw error;
  }
}

function throwForStatus({ status, retryAfter }: HttpAnswer): void {
  if (status >= 200 && status < 300) {
    return;
  }
  const message = `the server answered with status ${status}`;
  if (status === 429 || status === 503) {
    const waitMs = Number(retryAfter) * 1000;
    if (retryAfter !== null && waitMs >= 0 && waitMs <= MAX_RETRY_AFTER_MS) {
      throw new RetryAfterError(waitMs, message);
    }
  }
  const mayPass = status >= 500 || status === 408 || status === 425 || status === 429;
  throw mayPass ? new GoalpostError("STEP_FAILED", message) : new NonRetryableError(message);
}

function toPage({ url, contentType, body, cut }: HttpAnswer): FetchedPage {
  const unknown = contentType === "";
  if (unknown ? body.includes(0) : !isText(contentType)) {
    throw new NonRetryableError(
      `the server sent ${unknown ? "bytes" : contentType.slice(0, 100)}; http_get reads text only`,
    );
  }
  const text = decodeText(body, contentType);
  const page = isHtml(contentType) ? readPage(text) : { title: null, text };
  return { url, contentType, ...page, cut };
}
