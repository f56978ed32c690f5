import type { Clock } from "../index.ts";
import { type CassetteResponse, type Chunk, storeBytes } from "./cassette-file.ts";
import type { ReadRequest } from "./cassette-request.ts";
import type { Redaction } from "./cassette-secrets.ts";

/** Headers that tell nothing of who asked. */
const KEPT_HEADERS =
  /^(?:content-type|retry-after(?:-ms)?|x-should-retry|(?:x-)?request-id|(?:x|anthropic)-ratelimit-.+)$/;
const STREAM_TYPES = /^(?:text\/event-stream|application\/(?:x-ndjson|jsonl|stream\+json))/;

/** An exchange while it is recorded. */
export class Recording {
  readonly request: ReadRequest;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #chunks: { readonly atMs: number; readonly bytes: Uint8Array }[] = [];
  #response: Response | undefined;
  #end: "complete" | "broken" | "cancelled" | undefined;

  constructor(request: ReadRequest, clock: Clock) {
    this.request = request;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /** False if there was no answer at all. */
  get answered(): boolean {
    return this.#response !== undefined;
  }

  /** Lets an answer through, and keeps what goes by. */
  async follow(response: Response): Promise<Response> {
    const { status, statusText, headers, body } = response;
    if (!body) {
      this.#response = response;
      this.#end = "complete";
      return response;
    }
    // The body is decoded by now: how it was packed on the wire would be misleading.
    const plain = new Headers(headers);
    plain.delete("content-encoding");
    plain.delete("content-length");
    const about = { status, statusText, headers: plain };
    if (isStream(headers)) {
      this.#response = response;
      return new Response(this.#watch(body.getReader()), about);
    }
    // All of it, even if nobody reads it: the replay's reader may want to.
    const bytes = new Uint8Array(await response.arrayBuffer());
    this.#keep(bytes);
    this.#response = response;
    this.#end = "complete";
    return new Response(bytes, about);
  }

  #keep(bytes: Uint8Array): void {
    this.#chunks.push({ atMs: this.#clock.now() - this.#startedAt, bytes: bytes.slice() });
  }

  #watch(reader: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) {
            this.#end = "complete";
            controller.close();
          } else {
            this.#keep(value);
            controller.enqueue(value);
          }
        } catch (error) {
          this.#end = this.request.signal.aborted ? "cancelled" : "broken";
          controller.error(error);
        }
      },
      cancel: async (reason) => {
        this.#end = "cancelled";
        await reader.cancel(reason);
      },
    });
  }

  /** What is kept of the answer. @throws if there was none */
  toRecord(redact: Redaction): CassetteResponse {
    const response = this.#response;
    if (!response) {
      throw new Error("there was no answer");
    }
    const headers = Object.fromEntries(
      [...response.headers]
        .filter(([name]) => KEPT_HEADERS.test(name))
        .map(([name, value]) => [name, redact.text(value)]),
    );
    const about = { status: response.status, headers };
    const bytes = redact.bytes(this.#chunks.map((chunk) => chunk.bytes));
    if (response.body && isStream(response.headers)) {
      const cut = this.#end === "complete" ? {} : { end: this.#end ?? ("cancelled" as const) };
      const chunks = this.#chunks.map(
        ({ atMs }, index): Chunk => ({ atMs, data: storeBytes(bytes[index] ?? Buffer.alloc(0)) }),
      );
      return { ...about, chunks, ...cut };
    }
    return { ...about, body: response.body ? storeBytes(Buffer.concat(bytes)) : null };
  }
}

function isStream(headers: Headers): boolean {
  return STREAM_TYPES.test(headers.get("content-type") ?? "");
}
