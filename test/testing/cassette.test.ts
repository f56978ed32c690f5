import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Cassette, type CassetteOptions, cassette } from "../../src/testing/index.ts";

const KEY = "sk-very-secret-0123456789";

let folder: string;
let origin: string;
let answer: (request: IncomingMessage, response: ServerResponse, body: string) => unknown;
const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
  }
  requests.push(`${request.method} ${request.url}`);
  await answer(request, response, body);
});
const requests: string[] = [];
let tapes = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "goalpost-cassette-"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  requests.length = 0;
  vi.unstubAllEnvs();
});

const newPath = (): string => join(folder, `tapes/${++tapes}.jsonl`);

function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}

/** Records, then replays with the server gone silent; gives both results and the text of the file. */
async function twice<T>(
  work: (tape: Cassette, key: string) => Promise<T>,
  options: CassetteOptions = {},
): Promise<{ recorded: T; replayed: T; file: string; path: string }> {
  const path = newPath();
  const recording = cassette(path, { ...options, mode: "record" });
  const recorded = await work(recording, KEY);
  await recording.close();
  requests.length = 0;
  const replaying = cassette(path, options);
  const replayed = await work(replaying, "another-key-0123456789");
  replaying.assertComplete();
  expect(requests).toEqual([]);
  return { recorded, replayed, file: readFileSync(path, "utf8"), path };
}

/** The chunks of an answer as a reader sees them. */
async function chunksOf(response: Response): Promise<string[]> {
  const chunks: string[] = [];
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    chunks.push(Buffer.from(chunk).toString("latin1"));
  }
  return chunks;
}

function sse(events: readonly unknown[], named = false): string[] {
  return events.map((event) => {
    const name = named ? `event: ${(event as { type: string }).type}\n` : "";
    return `${name}data: ${JSON.stringify(event)}\n\n`;
  });
}

async function writeSlowly(response: ServerResponse, pieces: readonly (string | Buffer)[]): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req-7" });
  for (const piece of pieces) {
    response.write(piece);
    await sleep(15);
  }
  response.end();
}

const OPENAI_EVENTS = [
  { type: "response.created", sequence_number: 0, response: { id: "r1", status: "in_progress", output: [] } },
  {
    type: "response.output_text.delta",
    sequence_number: 1,
    item_id: "i",
    output_index: 0,
    content_index: 0,
    delta: "Grüß ",
  },
  {
    type: "response.output_text.delta",
    sequence_number: 2,
    item_id: "i",
    output_index: 0,
    content_index: 0,
    delta: "dich 🌍",
  },
  {
    type: "response.completed",
    sequence_number: 3,
    response: {
      id: "r1",
      status: "completed",
      output: [],
      usage: { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
    },
  },
];

async function streamOpenAI(tape: Cassette, apiKey: string): Promise<string> {
  const client = new OpenAI({ apiKey, baseURL: `${origin}/v1`, maxRetries: 0, fetch: tape.fetch });
  const stream = await client.responses.create({
    model: "gpt-6-luna",
    input: "hello",
    store: false,
    stream: true,
  });
  let text = "";
  for await (const event of stream) {
    text += event.type === "response.output_text.delta" ? event.delta : "";
  }
  return text;
}

const ANTHROPIC_EVENTS = [
  {
    type: "message_start",
    message: {
      id: "m1",
      type: "message",
      role: "assistant",
      model: "claude",
      content: [],
      stop_reason: null,
      usage: { input_tokens: 3, output_tokens: 1 },
    },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "One, " } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "two." } },
  { type: "content_block_stop", index: 0 },
  {
    type: "message_delta",
    delta: { stop_reason: "end_turn", stop_sequence: null },
    usage: { output_tokens: 4 },
  },
  { type: "message_stop" },
];

async function streamAnthropic(tape: Cassette, apiKey: string): Promise<unknown> {
  const client = new Anthropic({
    apiKey,
    baseURL: origin,
    maxRetries: 0,
    fetch: tape.fetch,
    openTelemetry: false,
  });
  const stream = client.messages.stream({
    model: "claude-haiku-5-5",
    max_tokens: 100,
    messages: [{ role: "user", content: "count" }],
  });
  const pieces: string[] = [];
  stream.on("text", (text) => pieces.push(text));
  const message = await stream.finalMessage();
  return { pieces, usage: message.usage.output_tokens, stop: message.stop_reason };
}

describe("a cassette of the vendors' own clients", () => {
  test("replays OpenAI's answers", async () => {
    answer = (_, response) =>
      json(response, {
        id: "r1",
        object: "response",
        status: "completed",
        model: "gpt-6-luna",
        output: [
          { type: "message", id: "i", role: "assistant", content: [{ type: "output_text", text: "Hi." }] },
        ],
        usage: { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
      });
    const { recorded, replayed, file } = await twice(async (tape, apiKey) => {
      const client = new OpenAI({ apiKey, baseURL: `${origin}/v1`, maxRetries: 0, fetch: tape.fetch });
      return (await client.responses.create({ model: "gpt-6-luna", input: "hello" })).output_text;
    });
    expect([recorded, replayed]).toEqual(["Hi.", "Hi."]);
    expect(file).not.toContain(KEY);
    expect(file).toContain('"path":"/v1/responses"');
  });

  test("replays OpenAI's streams", async () => {
    answer = (_, response) => writeSlowly(response, sse(OPENAI_EVENTS, true));
    const { recorded, replayed, file } = await twice(streamOpenAI);
    expect([recorded, replayed]).toEqual(["Grüß dich 🌍", "Grüß dich 🌍"]);
    expect(file).not.toContain(KEY);
    expect(JSON.parse(file).res.chunks).toHaveLength(OPENAI_EVENTS.length);
  });

  test("replays Anthropic's streams", async () => {
    answer = (_, response) => writeSlowly(response, sse(ANTHROPIC_EVENTS, true));
    const { recorded, replayed, file } = await twice(streamAnthropic);
    expect(recorded).toEqual({ pieces: ["One, ", "two."], usage: 4, stop: "end_turn" });
    expect(replayed).toEqual(recorded);
    expect(file).not.toContain(KEY);
  });

  test("tells through the client what was asked that is not recorded, and does not make it try again", async () => {
    answer = (_, response) => writeSlowly(response, sse(OPENAI_EVENTS));
    const { path } = await twice(streamOpenAI);
    const tape = cassette(path);
    const client = new OpenAI({ apiKey: KEY, baseURL: `${origin}/v1`, fetch: tape.fetch });
    const asked = client.responses.create({
      model: "gpt-6-luna",
      input: "good bye",
      store: false,
      stream: true,
    });
    await expect(asked).rejects.toThrow(
      /nearest is line 1: body\.input is "hello" there, and "good bye" here/,
    );
    await expect(asked).rejects.toMatchObject({ status: 400 });
    expect(() => tape.assertComplete()).toThrow(
      /line 1 \(POST \/v1\/responses\) was not replayed; no recording/,
    );
  });

  test("replays an error answer with the headers that retries depend on, and no others", async () => {
    answer = (_, response) => {
      response.writeHead(429, {
        "content-type": "application/json",
        "retry-after": "7",
        "x-ratelimit-remaining-requests": "0",
        "set-cookie": "session=abc",
        server: "fake",
      });
      response.end(JSON.stringify({ error: { code: "rate_limit_exceeded", message: "slow down" } }));
    };
    const { recorded, replayed, file } = await twice(async (tape, apiKey) => {
      const client = new OpenAI({ apiKey, baseURL: `${origin}/v1`, maxRetries: 0, fetch: tape.fetch });
      const error = await client.models.list().then(
        () => undefined,
        (reason: unknown) => reason as InstanceType<typeof OpenAI.APIError>,
      );
      return { status: error?.status, code: error?.code, after: error?.headers?.get("retry-after") };
    });
    expect(recorded).toEqual({ status: 429, code: "rate_limit_exceeded", after: "7" });
    expect(replayed).toEqual(recorded);
    expect(JSON.parse(file).res.headers).toEqual({
      "content-type": "application/json",
      "retry-after": "7",
      "x-ratelimit-remaining-requests": "0",
    });
  });
});

describe("what is not on a cassette", () => {
  test("keys in any header or in the query, and what a server says of them", async () => {
    answer = (request, response) =>
      json(response, { said: `wrong key ${KEY}`, url: request.url }, { "x-request-id": `of-${KEY}` });
    const headers = [
      { authorization: `Bearer ${KEY}` },
      { "x-api-key": KEY },
      { "x-goog-api-key": KEY },
      { cookie: `session=${KEY}; other=1` },
    ];
    const { file } = await twice(async (tape) => {
      for (const header of headers) {
        await (await tape.fetch(`${origin}/a`, { headers: header })).text();
      }
      await (await tape.fetch(`${origin}/b?key=${KEY}&alt=sse`)).text();
    });
    expect(file).not.toContain(KEY);
    expect(file).not.toContain("0123456789");
    expect(file).toContain("wrong key [secret]");
    expect(file).toContain('"path":"/b?alt=sse"');
  });

  test("texts that are given as secrets, however they are written", async () => {
    const secret = 'pass"word/ü';
    answer = (_, response, body) => json(response, { echo: body, url: encodeURIComponent(secret) });
    const { file, recorded, replayed } = await twice(
      async (tape) => {
        const sent = { prompt: `use ${secret}`, auth: Buffer.from(secret).toString("base64") };
        return (
          await tape.fetch(`${origin}/${encodeURIComponent(secret)}`, {
            method: "POST",
            body: JSON.stringify(sent),
          })
        ).json();
      },
      { secrets: [secret] },
    );
    for (const form of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]) {
      expect(file).not.toContain(form);
    }
    expect(file).not.toContain(Buffer.from(secret).toString("base64").slice(0, -1));
    expect(JSON.stringify(recorded)).toContain("word/ü");
    expect(JSON.stringify(replayed)).toContain("[secret]");
  });

  test("a secret that goes over from one piece of a stream to the next", async () => {
    const pieces = [`data: the key ${KEY.slice(0, 9)}`, `${KEY.slice(9, 14)}`, `${KEY.slice(14)} it is\n\n`];
    answer = (_, response) => writeSlowly(response, pieces);
    const { file } = await twice(async (tape, key) =>
      chunksOf(await tape.fetch(`${origin}/s`, { headers: { "x-api-key": key } })),
    );
    const data = (JSON.parse(file).res.chunks as { data: string }[]).map((chunk) => chunk.data);
    expect(data).toEqual(["data: the key [secret]", "", " it is\n\n"]);
  });

  test("too short secrets are refused, because ordinary text would go with them", () => {
    expect(() => cassette(newPath(), { mode: "record", secrets: ["abc"] })).toThrow(/at least 4 characters/);
  });
});

describe("a stream on a cassette", () => {
  test("comes in the pieces in which it came, even those that part a character", async () => {
    const earth = Buffer.from("🌍");
    const pieces = [
      "data: a\n",
      "\ndata: b",
      Buffer.concat([Buffer.from("\n\ndata: "), earth.subarray(0, 2)]),
      earth.subarray(2),
    ];
    answer = (_, response) => writeSlowly(response, pieces);
    const { recorded, replayed } = await twice(async (tape) => chunksOf(await tape.fetch(`${origin}/s`)));
    expect(recorded).toEqual(pieces.map((piece) => Buffer.from(piece).toString("latin1")));
    expect(replayed).toEqual(recorded);
  });

  test("keeps when each piece came, and replays at once unless asked for real time", async () => {
    answer = async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: 1\n\n");
      await sleep(120);
      response.end("data: 2\n\n");
    };
    const read = async (tape: Cassette): Promise<string[]> => chunksOf(await tape.fetch(`${origin}/s`));
    const { file, path } = await twice(read);
    const [first, second] = JSON.parse(file).res.chunks as { atMs: number }[];
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(80);
    const begin = performance.now();
    await read(cassette(path, { realTime: true }));
    expect(performance.now() - begin).toBeGreaterThan(80);
  });

  test("that broke off breaks off again", async () => {
    answer = async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: 1\n\n");
      await sleep(20);
      response.destroy();
    };
    const { recorded, replayed } = await twice(async (tape) => {
      const response = await tape.fetch(`${origin}/s`);
      const chunks: string[] = [];
      const error = await (async () => {
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
          chunks.push(Buffer.from(chunk).toString());
        }
      })().catch((reason: unknown) => reason);
      return [chunks, error instanceof TypeError];
    });
    expect(recorded).toEqual([["data: 1\n\n"], true]);
    expect(replayed).toEqual(recorded);
  });

  test("ends for who aborts it", async () => {
    answer = (_, response) => writeSlowly(response, ["data: 1\n\n", "data: 2\n\n"]);
    const { path } = await twice(async (tape) => chunksOf(await tape.fetch(`${origin}/s`)));
    const abort = new AbortController();
    const response = await cassette(path).fetch(`${origin}/s`, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(chunksOf(response)).rejects.toThrow("enough");
  });
});

describe("a cassette", () => {
  test("keeps bytes that are no text as they are", async () => {
    const bytes = Buffer.from([0, 255, 254, 128, 1]);
    answer = (_, response) => {
      response.writeHead(200, { "content-type": "application/octet-stream" });
      response.end(bytes);
    };
    const { recorded, replayed } = await twice(async (tape) =>
      Buffer.from(
        await (await tape.fetch(`${origin}/x`, { method: "POST", body: bytes })).arrayBuffer(),
      ).toString("hex"),
    );
    expect([recorded, replayed]).toEqual([bytes.toString("hex"), bytes.toString("hex")]);
  });

  test("answers equal requests in the order of the recording, and no more of them than there were", async () => {
    let count = 0;
    answer = (_, response) => json(response, ++count);
    const ask = async (tape: Cassette): Promise<unknown> => (await tape.fetch(`${origin}/n`)).json();
    const { replayed, path } = await twice(async (tape) => [await ask(tape), await ask(tape)]);
    expect(replayed).toEqual([1, 2]);
    const tape = cassette(path);
    await Promise.all([ask(tape), ask(tape)]);
    expect(await ask(tape)).toMatchObject({
      error: { message: expect.stringContaining("GET /n was recorded 2 times, and asked once more") },
    });
  });

  test("finds a request whatever the order of its fields, and whatever makes no difference", async () => {
    answer = (_, response) => json(response, "ok");
    const path = newPath();
    const post = (tape: Cassette, body: unknown): Promise<Response> =>
      tape.fetch(`${origin}/p?b=2&a=1`, { method: "POST", body: JSON.stringify(body) });
    const recording = cassette(path, { mode: "record" });
    await post(recording, {
      a: 1,
      b: { c: 2, d: 3 },
      stream_options: { include_obfuscation: false },
      items: [{ id: "x", t: 1 }],
    });
    await recording.save();
    const tape = cassette(path, { ignore: ["items.*.id"] });
    const found = await tape.fetch(`http://elsewhere.invalid/p?a=1&b=2`, {
      method: "POST",
      body: JSON.stringify({ items: [{ t: 1, id: "y" }], b: { d: 3, c: 2 }, user: "me", a: 1 }),
    });
    expect([found.status, await found.json()]).toEqual([200, "ok"]);
  });

  test("tells requests apart by what it is told to", async () => {
    answer = (_, response, body) => json(response, body);
    const options: CassetteOptions = { match: ({ path }) => path };
    const path = newPath();
    const recording = cassette(path, { ...options, mode: "record" });
    await (await recording.fetch(`${origin}/m`, { method: "POST", body: "one" })).text();
    await recording.close();
    const response = await cassette(path, options).fetch(`${origin}/m`, { method: "POST", body: "two" });
    expect(await response.json()).toBe("one");
  });

  test("that does not exist is recorded only if the environment says so", async () => {
    vi.stubEnv("GOALPOST_RECORD", "");
    expect(() => cassette(newPath())).toThrow(/there is no cassette .*GOALPOST_RECORD=1/);
    expect(() => cassette(newPath(), { mode: "replay" })).toThrow(/there is no cassette/);
    vi.stubEnv("GOALPOST_RECORD", "1");
    expect(cassette(newPath()).mode).toBe("record");
    expect(() => cassette(newPath(), { mode: "replay" })).toThrow(/there is no cassette/);
    expect(() => cassette(newPath(), { mode: "rewind" as never })).toThrow(/mode is "rewind"/);
  });

  test("that exists is not recorded over, unless asked to", async () => {
    answer = (_, response) => json(response, "old");
    const { path } = await twice(async (tape) => (await tape.fetch(`${origin}/o`)).json());
    vi.stubEnv("GOALPOST_RECORD", "1");
    expect(cassette(path).mode).toBe("replay");
    answer = (_, response) => json(response, "new");
    await using tape = cassette(path, { mode: "record" });
    await (await tape.fetch(`${origin}/o`)).text();
    await tape.save();
    expect(await (await cassette(path).fetch(`${origin}/o`)).json()).toBe("new");
  });

  test("lets everything through and keeps nothing with passthrough", async () => {
    answer = (_, response) => json(response, "live");
    const path = newPath();
    await using tape = cassette(path, { mode: "passthrough" });
    expect(await (await tape.fetch(`${origin}/live`)).json()).toBe("live");
    await tape.save();
    expect(() => readFileSync(path)).toThrow(/ENOENT/);
  });

  test("that is broken says where and what to do", () => {
    const path = join(folder, "broken.jsonl");
    const good = {
      key: "k",
      req: { method: "GET", path: "/", body: null, headers: {} },
      res: { status: 200, headers: {}, body: "" },
    };
    const broken: [string, RegExp][] = [
      [`${JSON.stringify(good)}\n{"key":`, /broken\.jsonl:2 cannot be read: it is no JSON.*record it again/],
      ["[]", /:1 .*must be \{ key, req, res \}/],
      [JSON.stringify({ ...good, req: {} }), /req must be/],
      [JSON.stringify({ ...good, res: { status: 200 } }), /res must be/],
      [
        JSON.stringify({ ...good, res: { status: 200, headers: {}, chunks: [{}] } }),
        /needs a body, or chunks/,
      ],
    ];
    for (const [text, message] of broken) {
      writeFileSync(path, text);
      expect(() => cassette(path)).toThrow(message);
    }
  });

  test("without a recorded request says so", async () => {
    const path = join(folder, "empty.jsonl");
    writeFileSync(path, "\n");
    const response = await cassette(path).fetch("http://x.invalid/v1/chat", { method: "POST", body: "{}" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { message: "cassette empty.jsonl: no recording of POST /v1/chat: it holds nothing" },
    });
  });
});
