import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { checkEmbedOptions } from "../../src/embed/check-options.ts";
import { rejection } from "../promises.ts";
import { type OpenEmbed, openEmbed } from "./open-embed.ts";

type Body = Record<string, unknown>;
type Respond = (request: { body: Body; path: string }, response: ServerResponse) => void;

interface Server {
  readonly url: string;
  readonly requests: { body: Body; path: string; headers: IncomingMessage["headers"] }[];
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).toReversed()) {
    await cleanUp();
  }
});

/** A server that answers each request in turn, the last one again and again. */
async function serve(...responders: Respond[]): Promise<Server> {
  const requests: Server["requests"] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString() || "{}") as Body;
      const path = request.url ?? "";
      requests.push({ body, path, headers: request.headers });
      const respond = responders[Math.min(requests.length, responders.length) - 1];
      respond?.({ body, path }, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json", "x-request-id": "req_1" });
  response.end(JSON.stringify(value));
}

const textsOf = (body: Body): string[] => body.input as string[];
const vectorOf = (text: string): number[] => [text.length, 1, 0];

/** As OpenAI answers, in the reverse order. */
const openAi: Respond = ({ body }, response) => {
  const data = textsOf(body).map((text, index) => ({
    object: "embedding",
    index,
    embedding: vectorOf(text),
  }));
  const usage = { prompt_tokens: 7, total_tokens: 7 };
  json(response, { object: "list", model: "served", data: data.toReversed(), usage });
};
const openAiData =
  (embeddings: unknown[]): Respond =>
  (_, response) =>
    json(response, { data: embeddings.map((embedding, index) => ({ index, embedding })) });
const status =
  (code: number, headers: Record<string, string> = {}): Respond =>
  (_, response) => {
    response.writeHead(code, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ error: { message: "no", type: "server_error" } }));
  };
const html: Respond = (_, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end("<html>a proxy</html>");
};
const silent: Respond = () => undefined;

/** A client with one model, "m", on a server. */
async function served(...responders: Respond[]): Promise<{ gp: OpenEmbed; server: Server }> {
  const server = await serve(...responders);
  const models = { m: { baseUrl: `${server.url}/v1`, model: "org/m" } };
  return { gp: openEmbed({ models }, { prices: { "org/m": { input: 1, output: 0 } } }), server };
}

describe("a server that speaks OpenAI's format", () => {
  test("is asked for floats, and answered vectors are put in order and on the ledger", async () => {
    const { gp, server } = await served(openAi);
    const result = await gp.embed({ queries: ["a", "bbbb"], model: "m" });
    expect(result).toMatchObject({ provider: "m", model: "m", embeddingDim: 3 });
    expect(result.usage).toMatchObject({ calls: 1, inputTokens: 7, costUsd: 0.000007, estimated: false });
    expect(result.embeddings[1]?.[0]).toBeCloseTo(4 / Math.hypot(4, 1), 6);
    expect(server.requests[0]).toMatchObject({
      path: "/v1/embeddings",
      body: { model: "org/m", input: ["a", "bbbb"], encoding_format: "float" },
    });
    expect(server.requests[0]?.body).not.toHaveProperty("dimensions");
  });

  test("usage that it does not tell is estimated", async () => {
    const { gp } = await served(openAiData([[1, 2]]));
    expect((await gp.embed({ query: "some words", model: "m" })).usage.estimated).toBe(true);
  });

  test("is called again after 429, as late as it asks, and after 500", async () => {
    const { gp, server } = await served(status(429, { "retry-after-ms": "5" }), status(500), openAi);
    const { usage } = await gp.embed({ query: "a", model: "m" });
    expect(server.requests).toHaveLength(3);
    expect(usage.calls).toBe(3);
  });

  test.each([
    ["fewer vectors than asked", openAiData([[1, 2]]), "1 vectors for 2 texts"],
    [
      "no numbers",
      openAiData([
        [1, 2],
        ["x", 1],
      ]),
      "no number",
    ],
    [
      "null for NaN",
      openAiData([
        [1, 2],
        [null, 1],
      ]),
      "no number",
    ],
    [
      "zeros",
      openAiData([
        [1, 2],
        [0, 0],
      ]),
      "zeros",
    ],
    [
      "vectors of two lengths",
      openAiData([
        [1, 2],
        [1, 2, 3],
      ]),
      "of 2 and of 3",
    ],
    ["empty vectors", openAiData([[], []]), "of 0"],
    ["HTML", html, "vectors"],
  ])("that answers with %s fails, and nothing of it is used", async (...[, respond, message]) => {
    const { gp, server } = await served(respond);
    const error = await rejection(gp.embed({ queries: ["a", "b"], model: "m" }));
    expect(error).toMatchObject({ code: "PROVIDER_ERROR", message: expect.stringContaining(message) });
    expect(server.requests).toHaveLength(2);
    expect(gp.ledger.outcomes).toHaveLength(2);
  });

  test("with other dimensions than it should have is not asked again", async () => {
    const server = await serve(openAi);
    const gp = openEmbed({ models: { qodo: { baseUrl: `${server.url}/v1` } } });
    const error = await rejection(gp.embed({ query: "a", model: "qodo" }));
    expect(error).toMatchObject({ code: "PROVIDER_ERROR", message: expect.stringContaining("1536") });
    expect(error).toMatchObject({ retryable: false });
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]?.body.model).toBe("Qodo/Qodo-Embed-1-1.5B");
  });

  test("that refuses the key is not asked again, and the key is not shown", async () => {
    const server = await serve(status(401));
    const models = { m: { baseUrl: `${server.url}/v1`, apiKey: "secret-key-1" } };
    const error = await rejection(openEmbed({ models }).embed({ query: "a", model: "m" }));
    expect(error).toMatchObject({ code: "PROVIDER_ERROR", details: { kind: "auth" } });
    expect(JSON.stringify(error) + String(error)).not.toContain("secret-key-1");
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]?.headers.authorization).toBe("Bearer secret-key-1");
  });

  test("that hangs is left when the caller aborts", async () => {
    const abort = new AbortController();
    const { gp } = await served(() => abort.abort(new Error("enough")), silent);
    await expect(gp.embed({ query: "a", model: "m", signal: abort.signal })).rejects.toThrow("enough");
  });

  test("is sent 32 texts a call at most, and two calls at once", async () => {
    const { gp, server } = await served(openAi);
    const queries = Array.from({ length: 70 }, (_, index) => "x".repeat(index + 1));
    const { embeddings } = await gp.embed({ queries, model: "m" });
    expect(server.requests.map(({ body }) => textsOf(body).length).toSorted()).toEqual([32, 32, 6]);
    expect(embeddings.map(([first = 0, second = 0]) => Math.round(first / second))).toEqual(
      queries.map(({ length }) => length),
    );
  });
});

describe("presets", () => {
  const wide =
    (count: number): Respond =>
    ({ body }, response) =>
      json(response, {
        data: textsOf(body).map((text, index) => ({ index, embedding: Array(count).fill(text.length) })),
      });

  test("jina-v3 is told the task that the purpose stands for; combined joins both", async () => {
    const [qodo, jina] = [await serve(wide(1536)), await serve(wide(1024))];
    const gp = openEmbed({
      models: { qodo: { baseUrl: `${qodo.url}/v1` }, "jina-v3": { baseUrl: `${jina.url}/v1` } },
    });
    const result = await gp.embed({ query: "a", model: "combined", purpose: "document" });
    expect(result).toMatchObject({ provider: "combined", model: "combined", embeddingDim: 2560 });
    expect(Math.hypot(...result.embedding)).toBeCloseTo(1, 5);
    expect(Math.hypot(...result.embedding.slice(0, 1536))).toBeCloseTo(Math.SQRT1_2, 5);
    expect(result.usage.calls).toBe(2);
    expect(jina.requests[0]?.body).toMatchObject({
      model: "jinaai/jina-embeddings-v3",
      task: "retrieval.passage",
    });
    expect(qodo.requests[0]?.body).not.toHaveProperty("task");
    const again = await gp.embed({ query: "a", model: "combined/combined", purpose: "document" });
    expect(again.embedding).toEqual(result.embedding);
  });

  test("one that is served nowhere says how to say where", async () => {
    const gp = openEmbed({});
    expect(await rejection(gp.embed({ query: "a", model: "qodo" }))).toMatchObject({
      code: "NO_PROVIDER",
      message: expect.stringContaining("embed.models"),
    });
  });
});

describe("providers of llm.providers", () => {
  test("the first with a key gives the default; hash where there is none", async () => {
    const server = await serve(openAi);
    const openai = { apiKey: "key", baseUrl: `${server.url}/v1` };
    const gp = openEmbed({}, { providers: { openai } });
    expect(await gp.embed({ query: "a" })).toMatchObject({
      provider: "openai",
      model: "text-embedding-3-small",
      usage: { costUsd: 1.4e-7 },
    });
    expect(await openEmbed({}).embed({ query: "a" })).toMatchObject({ model: "hash" });
  });

  test("one that is not configured is named", async () => {
    expect(
      await rejection(openEmbed({}).embed({ query: "a", model: "text-embedding-3-large" })),
    ).toMatchObject({ code: "NO_PROVIDER", message: expect.stringContaining("openai") });
  });

  test("Gemini is given each text as a content of its own, with the task", async () => {
    const server = await serve(({ body }, response) => {
      const requests = body.requests as Body[];
      json(response, { embeddings: requests.map((_, index) => ({ values: [index + 1, 1] })) });
    });
    const gemini = { apiKey: "key", baseUrl: server.url };
    const gp = openEmbed({}, { providers: { gemini } });
    const { embeddings, usage } = await gp.embed({ queries: ["a", "b"], purpose: "document" });
    expect(embeddings).toHaveLength(2);
    expect(usage).toMatchObject({ calls: 1, estimated: true });
    expect(server.requests[0]?.path).toContain("gemini-embedding-001:batchEmbedContents");
    const [first] = (server.requests[0]?.body.requests ?? []) as Body[];
    expect(first).toMatchObject({ taskType: "RETRIEVAL_DOCUMENT", content: { parts: [{ text: "a" }] } });
  });

  test.each([
    ["fewer vectors than asked", "1 vectors for 2 texts"],
    ["a quota that is used up for now", "rate_limited"],
  ])("Gemini that answers with %s fails", async (what, message) => {
    const exhausted = { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "slow down" } };
    const server = await serve((_, response) =>
      what.startsWith("fewer")
        ? json(response, { embeddings: [{ values: [1] }] })
        : json(response, exhausted, 429),
    );
    const gp = openEmbed({}, { providers: { gemini: { apiKey: "key", baseUrl: server.url } } });
    const error = await rejection(gp.embed({ queries: ["a", "b"] }));
    expect(error).toMatchObject({ code: "PROVIDER_ERROR", message: expect.stringContaining(message) });
  });
});

describe("options that make no sense", () => {
  test.each([
    ["a model without a place", { models: { m: {} } }, "one of { provider }"],
    ["a model with two places", { models: { m: { path: "/m", provider: "p" } } }, "one of { provider }"],
    ["a name with a slash", { models: { "a/b": { path: "/m" } } }, 'without "/"'],
    ["a bad URL", { models: { m: { baseUrl: "nowhere" } } }, "URL"],
    ["no dimensions", { models: { m: { path: "/m", dimensions: 0 } } }, "dimensions"],
    ["one part", { models: { m: { of: ["hash"] } } }, "two or more"],
    ["an unknown option", { modell: "hash" }, "modell"],
  ])("%s: refused when the client is opened", (...[, embed, message]) => {
    expect(() => checkEmbedOptions(embed as never)).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT", message: expect.stringContaining(message) }),
    );
  });
});
