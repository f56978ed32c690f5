import { lookup as systemLookup } from "node:dns";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { GoalpostError } from "../index.ts";
import { type AllowAddress, isPublicAddress } from "./steps-address.ts";

/** How a page is fetched. The last two are for tests only: nothing outside this process can set them. */
export interface HttpOptions {
  /** Bytes of the body, unpacked; what is beyond is not read. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly allow?: AllowAddress | undefined;
  readonly lookup?: LookupFunction | undefined;
}

/** An answer, as far as it was read. */
export interface HttpAnswer {
  /** After redirects. */
  readonly url: string;
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter: string | null;
  readonly body: Buffer;
  /** True if there was more. */
  readonly cut: boolean;
}

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Fetches a page of the public internet. Every address is checked when it is connected to, and again once it is: a name
 * cannot lead to one address while it is checked and to another one after. So is every redirect.
 * @throws INVALID_INPUT for what is refused, STEP_FAILED if the server cannot be reached
 */
export async function httpGet(given: string, options: HttpOptions): Promise<HttpAnswer> {
  const { allow = isPublicAddress } = options;
  let url = checkUrl(given, allow);
  for (let redirects = 0; ; redirects++) {
    const response = await connect(url, options);
    const { location } = response.headers;
    if (!REDIRECTS.has(response.statusCode ?? 0) || location === undefined) {
      return readAnswer(url, response, options);
    }
    response.destroy();
    if (redirects === MAX_REDIRECTS) {
      throw refused(given, `it redirects more than ${MAX_REDIRECTS} times`);
    }
    const next = URL.canParse(location, url.href) ? new URL(location, url.href).href : location;
    url = checkUrl(next, allow);
  }
}

function refused(url: string, why: string): GoalpostError {
  return new GoalpostError("INVALID_INPUT", `${shown(url)} is refused: ${why}`);
}

/** An address for messages: what is behind the path may be a secret. */
function shown(url: string): string {
  return URL.canParse(url)
    ? `${new URL(url).origin}${new URL(url).pathname}`.slice(0, 200)
    : JSON.stringify(url.slice(0, 100));
}

function checkUrl(text: string, allow: AllowAddress): URL {
  if (!URL.canParse(text)) {
    throw refused(text, "it is no address; give one such as https://example.com/page");
  }
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refused(text, `${url.protocol} is neither http: nor https:`);
  }
  if (url.username !== "" || url.password !== "") {
    throw refused(text, "an address holds no user and no password");
  }
  // A name is looked up, and checked, when it is connected to; an address is not.
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !allow(host)) {
    throw refused(text, PRIVATE);
  }
  return url;
}

const PRIVATE = "it leads into a private network or to this machine";

function connect(url: URL, options: HttpOptions): Promise<IncomingMessage> {
  const { signal, allow = isPublicAddress } = options;
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(url, {
      // A connection of its own: none that was made for another name.
      agent: false,
      signal,
      lookup: checkedLookup(url, options),
      headers: {
        accept: "text/html, text/*, application/json, application/xml;q=0.9, */*;q=0.1",
        "accept-encoding": "gzip, deflate, br",
        "user-agent": "goalpost",
      },
    });
    request.on("socket", (socket: Socket) => {
      socket.once("connect", () => {
        if (!allow(socket.remoteAddress ?? "")) {
          request.destroy(refused(url.href, PRIVATE));
        }
      });
    });
    request.on("response", resolve);
    request.on("error", (error) => reject(toError(error, url, signal)));
    request.end();
  });
}

function toError(error: Error, url: URL, signal: AbortSignal): unknown {
  if (signal.aborted) {
    return signal.reason;
  }
  return error instanceof GoalpostError
    ? error
    : new GoalpostError("STEP_FAILED", `${shown(url.href)} cannot be read: ${error.message}`, {
        cause: error,
      });
}

/** Looks a name up for the connection that is about to be made, and refuses it if any of its addresses is private. */
function checkedLookup(
  url: URL,
  { allow = isPublicAddress, lookup = systemLookup as LookupFunction }: HttpOptions,
): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) {
        callback(error, "");
        return;
      }
      const addresses = Array.isArray(found) ? found : [];
      const [first] = addresses;
      if (!first || !addresses.every(({ address }) => allow(address))) {
        callback(refused(url.href, PRIVATE), "");
      } else if (options.all) {
        callback(null, addresses);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

async function readAnswer(
  url: URL,
  response: IncomingMessage,
  { maxBytes, signal }: HttpOptions,
): Promise<HttpAnswer> {
  const stream = unpack(response);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size > maxBytes) {
        break;
      }
    }
  } catch (error) {
    throw toError(error instanceof Error ? error : new Error(String(error)), url, signal);
  } finally {
    response.destroy();
  }
  return {
    url: url.href,
    status: response.statusCode ?? 0,
    contentType: response.headers["content-type"] ?? "",
    retryAfter: response.headers["retry-after"] ?? null,
    body: Buffer.concat(chunks).subarray(0, maxBytes),
    cut: size > maxBytes,
  };
}

/** The body as it was before it was packed. It is unpacked as it is read: a bomb goes no further than the limit. */
function unpack(response: IncomingMessage): Readable {
  const packing = response.headers["content-encoding"]?.toLowerCase() ?? "identity";
  const unpackers = {
    gzip: createGunzip,
    "x-gzip": createGunzip,
    deflate: createInflate,
    br: createBrotliDecompress,
  };
  if (!Object.hasOwn(unpackers, packing)) {
    return response;
  }
  const unpacker = unpackers[packing as keyof typeof unpackers]();
  response.on("error", (error) => unpacker.destroy(error));
  return response.pipe(unpacker);
}
