import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { anthropicFormat } from "./anthropic.ts";
import { geminiFormat } from "./gemini.ts";
import { openAiChatFormat } from "./openai-chat.ts";
import { openAiResponsesFormat } from "./openai-responses.ts";
import type { Answer, ErrorWords, SseEvent, WireFormat } from "./wire-format.ts";

export type { Answer } from "./wire-format.ts";

/** Whose wire format a server speaks. */
export type Vendor = "openai-responses" | "openai-chat" | "anthropic" | "gemini";

export const FORMATS: Readonly<Record<Vendor, WireFormat>> = {
  "openai-responses": openAiResponsesFormat,
  "openai-chat": openAiChatFormat,
  anthropic: anthropicFormat,
  gemini: geminiFormat,
};

/** What a server does with a request. */
export type Reply =
  | ({ readonly headers?: Readonly<Record<string, string>> } & (
      | { readonly answer: Answer }
      /** An error as this vendor words it. */
      | ({ readonly status: number } & Partial<ErrorWords>)
      /** Anything else, word for word. */
      | { readonly status: number; readonly body: string; readonly contentType?: string }
      /** Events as they are, where a stream is asked for or not. */
      | { readonly events: readonly SseEvent[] }
    ))
  /** The socket is closed: before any byte, or after some pieces of a streamed answer. */
  | { readonly cut: "at once" | "in the middle"; readonly answer?: Answer }
  /** The vendor's words for being overloaded, after some pieces of a streamed answer. */
  | { readonly overloaded: Answer }
  /** Nothing ever comes; or a byte now and then. */
  | { readonly silent: true | "trickle" };

/** A request as it arrived. */
export interface Recorded {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
}

type Replier = Reply | ((request: Recorded) => Reply);

/**
 * A local server that speaks a vendor's wire format. Replies are used up in order; without any left, it answers
 * with the text "ok". Streams come in chunks of odd sizes, cut in the middle of events and of characters.
 */
export interface ModelServer {
  /** As a provider's option `baseUrl` takes it. */
  readonly baseUrl: string;
  /** All that arrived, in order. */
  readonly requests: readonly Recorded[];
  /** What it does with the next requests. */
  reply(...replies: readonly Replier[]): void;
  /** What it does when nothing else is left. */
  always(reply: Replier): void;
  close(): Promise<void>;
}

export async function startModelServer(vendor: Vendor): Promise<ModelServer> {
  const format = FORMATS[vendor];
  const requests: Recorded[] = [];
  const queue: Replier[] = [];
  let otherwise: Replier = { answer: { text: "ok" } };
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const recorded: Recorded = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body,
      };
      requests.push(recorded);
      const path = new URL(recorded.path, "http://localhost").pathname;
      const next: Replier = format.path.test(path)
        ? (queue.shift() ?? otherwise)
        : { status: 404, body: "404 page not found", contentType: "text/plain" };
      respond(typeof next === "function" ? next(recorded) : next, { format, recorded, response });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const root = `http://127.0.0.1:${port}`;
  return {
    baseUrl: vendor.startsWith("openai") ? `${root}/v1` : root,
    requests,
    reply: (...replies) => queue.push(...replies),
    always: (reply) => {
      otherwise = reply;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString();
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

interface Exchange {
  readonly format: WireFormat;
  readonly recorded: Recorded;
  readonly response: ServerResponse;
}

function respond(reply: Reply, exchange: Exchange): void {
  const { format, recorded, response } = exchange;
  const streamed = format.isStream(recorded);
  if ("silent" in reply) {
    if (reply.silent === "trickle") {
      trickle(exchange, streamed);
    }
    return;
  }
  if ("cut" in reply) {
    const events =
      reply.cut === "at once" ? [] : firstHalf(format.events(reply.answer ?? { text: LONG_TEXT }));
    if (reply.cut === "at once") {
      response.destroy();
    } else {
      sendEvents(events, exchange, () => response.destroy());
    }
    return;
  }
  if ("overloaded" in reply) {
    sendEvents([...firstHalf(format.events(reply.overloaded)), format.overloaded], exchange);
    return;
  }
  for (const [name, value] of Object.entries(reply.headers ?? {})) {
    response.setHeader(name, value);
  }
  response.setHeader(format.requestIdHeader, "req_1");
  if ("events" in reply) {
    sendEvents(reply.events, exchange);
  } else if ("answer" in reply) {
    if (streamed) {
      sendEvents(format.events(reply.answer), exchange);
    } else {
      send(response, { status: 200, body: JSON.stringify(format.whole(reply.answer)) });
    }
  } else if ("body" in reply) {
    send(response, reply);
  } else {
    const words = { message: "it did not work", ...reply };
    send(response, { status: reply.status, body: JSON.stringify(format.error(reply.status, words)) });
  }
}

const LONG_TEXT = "The quick brown fox jumps over the lazy dog, äöü 😀, again and again.";

function firstHalf(events: readonly SseEvent[]): readonly SseEvent[] {
  return events.slice(0, Math.ceil(events.length / 2));
}

interface Whole {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
}

function send(response: ServerResponse, { status, body, contentType = "application/json" }: Whole): void {
  response.writeHead(status, { "content-type": contentType });
  response.end(body);
}

/** In chunks that end anywhere: in the middle of an event, of a line end, of a character. */
function sendEvents(events: readonly SseEvent[], { response, format }: Exchange, then?: () => void): void {
  const text = events
    .map(({ event, data }) => `${event ? `event: ${event}\n` : ""}data: ${JSON.stringify(data)}\n\n`)
    .join("");
  const bytes = Buffer.from(then ? text : text + (format.end ?? ""));
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" });
  response.socket?.setNoDelay(true);
  let at = 0;
  let size = 7;
  const next = (): void => {
    if (response.destroyed) {
      return;
    }
    if (at >= bytes.length) {
      if (then) {
        setImmediate(() => setTimeout(then, 20));
      } else {
        response.end();
      }
      return;
    }
    response.write(bytes.subarray(at, at + size));
    at += size;
    size = (size * 5 + 3) % 61 || 1;
    setImmediate(next);
  };
  next();
}

/** Bytes keep coming that never make an answer. */
function trickle({ response }: Exchange, streamed: boolean): void {
  response.writeHead(200, { "content-type": streamed ? "text/event-stream" : "application/json" });
  const timer = setInterval(() => response.write(streamed ? ": wait\n\n" : " "), 20);
  response.on("close", () => clearInterval(timer));
}
