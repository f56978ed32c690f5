import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { loadSdk } from "../../src/llm/adapters/load-sdk.ts";
import { call, fail, modelsAt } from "./adapter-fixture.ts";
import { type ModelServer, startModelServer, type Vendor } from "./servers/model-server.ts";

const jsonOf = (schema: z.ZodType): Record<string, unknown> =>
  z.toJSONSchema(schema, { target: "draft-2020-12", io: "input", reused: "inline" });

const PERSON = {
  name: "person",
  json: jsonOf(z.object({ name: z.string(), age: z.int().min(0).optional() })),
};
const RECORD = { name: "counts", json: jsonOf(z.object({ counts: z.record(z.string(), z.number()) })) };

const servers: ModelServer[] = [];
const start = async (vendor: Vendor): Promise<ModelServer> => {
  const server = await startModelServer(vendor);
  servers.push(server);
  return server;
};
afterAll(() => Promise.all(servers.map((server) => server.close())));

const bodies = (server: ModelServer): Record<string, unknown>[] => server.requests.map(({ body }) => body);

describe("OpenAI's Responses API", () => {
  let server: ModelServer;
  beforeAll(async () => {
    server = await start("openai-responses");
  });

  test("a schema is sent as strict, with optional properties as nullable ones", async () => {
    await call(modelsAt("openai-responses", server.baseUrl), { schema: PERSON });
    expect(bodies(server).at(-1)?.text).toEqual({
      format: {
        type: "json_schema",
        name: "person",
        strict: true,
        schema: {
          type: "object",
          properties: { name: { type: "string" }, age: { type: ["integer", "null"], minimum: 0 } },
          required: ["name", "age"],
          additionalProperties: false,
        },
      },
    });
  });

  test("a schema that strict mode has no words for is sent as it is, not strict", async () => {
    await call(modelsAt("openai-responses", server.baseUrl), { schema: RECORD });
    expect(bodies(server).at(-1)?.text).toMatchObject({
      format: {
        strict: false,
        schema: { properties: { counts: { additionalProperties: { type: "number" } } } },
      },
    });
  });

  test("a failed response is an error although its status is 200", async () => {
    const failed = {
      id: "resp_1",
      status: "failed",
      output: [],
      error: { code: "rate_limit_exceeded", message: "too fast" },
      usage: { input_tokens: 7, output_tokens: 0 },
    };
    server.reply({ status: 200, body: JSON.stringify(failed) });
    const whole = await fail(modelsAt("openai-responses", server.baseUrl));
    expect(whole.error).toMatchObject({ kind: "rate_limited", mayBeBilled: true });
    expect(whole.usages.at(-1)?.inputTokens).toBe(7);
    server.reply({
      events: [{ event: "response.failed", data: { type: "response.failed", response: failed } }],
    });
    const streamed = await fail(modelsAt("openai-responses", server.baseUrl), {}, { streamed: true });
    expect(streamed.error.kind).toBe("rate_limited");
    expect(streamed.usages.at(-1)?.inputTokens).toBe(7);
  });

  test("a model that knows no encrypted reasoning is asked again without, and that is remembered", async () => {
    const own = await start("openai-responses");
    const models = modelsAt("openai-responses", own.baseUrl);
    own.reply({
      status: 400,
      message: "Encrypted content is not supported with this model.",
      param: "include",
    });
    await call(models);
    await call(models);
    expect(bodies(own).map(({ include }) => include !== undefined)).toEqual([true, false, false]);
  });

  test("an answer is cut at a stop sequence, which the API does not know", async () => {
    server.reply({ answer: { text: "one END two" } });
    const { response } = await call(modelsAt("openai-responses", server.baseUrl), { stop: ["END"] });
    expect(response.text).toBe("one ");
    expect(bodies(server).at(-1)).not.toHaveProperty("stop");
  });

  test("tools are strict, and args without a value are empty", async () => {
    server.reply({ answer: { toolCalls: [{ id: "a", name: "now", args: "" }] } });
    const tools = [{ name: "now", description: "the time", parameters: jsonOf(z.object({})) }];
    const { response } = await call(modelsAt("openai-responses", server.baseUrl), { tools });
    expect(response.toolCalls).toEqual([{ id: "a", name: "now", args: {} }]);
    expect(bodies(server).at(-1)?.tools).toEqual([
      {
        type: "function",
        name: "now",
        description: "the time",
        strict: true,
        parameters: { type: "object", properties: {}, required: [], additionalProperties: false },
      },
    ]);
  });

  test("args that are no JSON are null", async () => {
    server.reply({ answer: { toolCalls: [{ id: "a", name: "now", args: '{"half' }] } });
    const { response } = await call(modelsAt("openai-responses", server.baseUrl));
    expect(response.toolCalls[0]?.args).toBeNull();
  });

  test("quota that is used up is not a rate limit", async () => {
    server.reply({ status: 429, code: "insufficient_quota", message: "You exceeded your current quota" });
    expect((await fail(modelsAt("openai-responses", server.baseUrl))).error.kind).toBe("quota");
  });
});

describe("servers that speak Chat Completions", () => {
  test("max_tokens is the name at first, and the other one once it is refused", async () => {
    const server = await start("openai-chat");
    const models = modelsAt("openai-chat", server.baseUrl);
    server.reply({
      status: 400,
      param: "max_tokens",
      message: "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
    });
    await call(models);
    await call(models);
    expect(bodies(server).map((body) => ["max_tokens" in body, "max_completion_tokens" in body])).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ]);
  });

  test("a number of tokens that is too large is a bad request, not a name that is not known", async () => {
    const server = await start("openai-chat");
    server.reply({ status: 400, param: "max_tokens", message: "max_tokens is too large: 300" });
    expect((await fail(modelsAt("openai-chat", server.baseUrl))).error.kind).toBe("bad_request");
    expect(server.requests.length).toBe(1);
  });

  test("a server without schemas is asked for JSON in words, once and for all", async () => {
    const server = await start("openai-chat");
    const models = modelsAt("openai-chat", server.baseUrl);
    server.reply({ status: 400, message: "response_format type json_schema is not supported" });
    server.always({ answer: { text: '```json\n{"name":"Ann","age":null}\n```' } });
    const { response } = await call(models, { schema: PERSON });
    await call(models, { schema: PERSON });
    expect(response.text).toBe('{"name":"Ann"}');
    expect(bodies(server).map(({ response_format }) => (response_format as { type: string }).type)).toEqual([
      "json_schema",
      "json_object",
      "json_object",
    ]);
    expect(JSON.stringify(bodies(server)[1]?.messages)).toContain("JSON Schema");
  });

  test("a server that knows no response_format at all is asked in words only", async () => {
    const server = await start("openai-chat");
    server.always(({ body }) =>
      "response_format" in body
        ? { status: 400, message: "unknown field response_format" }
        : { answer: { text: '{"name":"Ann"}' } },
    );
    const { response } = await call(modelsAt("openai-chat", server.baseUrl), { schema: PERSON });
    expect(response.text).toBe('{"name":"Ann"}');
    expect(server.requests.length).toBe(3);
  });

  test("what a gateway says a call cost is told", async () => {
    const server = await start("openai-chat");
    server.reply({ answer: { text: "a", costUsd: 0.0012 } });
    server.reply({ answer: { text: "a", costUsd: 0.0012 } });
    const models = modelsAt("openai-chat", server.baseUrl);
    expect((await call(models)).response.costUsd).toBe(0.0012);
    expect((await call(models, {}, { streamed: true })).response.costUsd).toBe(0.0012);
  });

  test("a server that does not stream is read in one piece, and its text told", async () => {
    const server = await start("openai-chat");
    const whole = {
      id: "x",
      model: "m",
      choices: [{ message: { content: "all at once" }, finish_reason: "stop" }],
    };
    server.reply({ status: 200, body: JSON.stringify(whole) });
    const { response, texts } = await call(modelsAt("openai-chat", server.baseUrl), {}, { streamed: true });
    expect(response.text).toBe("all at once");
    expect(texts).toEqual(["all at once"]);
  });

  test("streamed tool calls without an index, or an id, are kept apart", async () => {
    const server = await start("openai-chat");
    const delta = (tool_calls: unknown): { data: unknown } => ({
      data: { choices: [{ delta: { tool_calls } }] },
    });
    server.reply({
      events: [
        delta([{ function: { name: "a", arguments: '{"x":1}' } }]),
        delta([{ function: { name: "b", arguments: '{"x":2}' } }]),
        { data: { choices: [{ delta: {}, finish_reason: "stop" }] } },
      ],
    });
    const { response } = await call(modelsAt("openai-chat", server.baseUrl), {}, { streamed: true });
    expect(response.finishReason).toBe("tool_calls");
    expect(response.toolCalls.map(({ name, args }) => [name, args])).toEqual([
      ["a", { x: 1 }],
      ["b", { x: 2 }],
    ]);
    expect(new Set(response.toolCalls.map(({ id }) => id)).size).toBe(2);
  });

  test("an error of the model behind a gateway is that error", async () => {
    const server = await start("openai-chat");
    const body = { id: "x", choices: [{ error: { code: 502, message: "upstream" }, message: null }] };
    server.reply({ status: 200, body: JSON.stringify(body) });
    expect((await fail(modelsAt("openai-chat", server.baseUrl))).error).toMatchObject({ kind: "server" });
  });

  test("a server that knows only Responses is found out once", async () => {
    const server = await start("openai-responses");
    const models = modelsAt("openai-responses", server.baseUrl, { api: undefined });
    expect((await call(models)).response.text).toBe("ok");
    await call(models);
    expect(server.requests.map(({ path }) => path)).toEqual([
      "/v1/chat/completions",
      "/v1/responses",
      "/v1/responses",
    ]);
  });

  test("a model that is not known does not make another API of it", async () => {
    const server = await start("openai-chat");
    server.reply({ status: 404, message: 'model "a-model" not found, try pulling it first' });
    const { error } = await fail(modelsAt("openai-chat", server.baseUrl, { api: undefined, kind: "openai" }));
    expect(error.kind).toBe("not_found");
    expect(server.requests.map(({ path }) => path)).toEqual(["/v1/chat/completions"]);
  });

  test("a base URL where nothing is says so", async () => {
    const server = await start("openai-chat");
    const { error } = await fail(modelsAt("openai-chat", `${server.baseUrl}/wrong`, { api: undefined }));
    expect(error).toMatchObject({ kind: "not_found", status: 404 });
    expect(error.message).toContain("base URL");
  });

  test("a server that wants no key gets a word that is none", async () => {
    const server = await start("openai-chat");
    await call(modelsAt("openai-chat", server.baseUrl, { apiKey: undefined }));
    expect(server.requests[0]?.headers.authorization).toBe("Bearer unused");
  });
});

describe("Anthropic's Messages API", () => {
  let server: ModelServer;
  beforeAll(async () => {
    server = await start("anthropic");
  });

  test.each([false, true])(
    "a pause is gone on from, and the usage of all hops told (streamed: %s)",
    async (streamed) => {
      const own = await start("anthropic");
      own.reply(
        { answer: { text: "first ", finish: "pause", usage: { input: 100, cacheWrite: 30, output: 10 } } },
        { answer: { text: "second", usage: { input: 120, cacheRead: 50, output: 4 } } },
      );
      const { response, usages } = await call(modelsAt("anthropic", own.baseUrl), {}, { streamed });
      expect(response).toMatchObject({ text: "first second", finishReason: "stop" });
      expect(response.usage).toMatchObject({
        inputTokens: 220,
        cacheReadTokens: 50,
        cacheWriteTokens: 30,
        outputTokens: 14,
      });
      expect(usages.at(-1)).toEqual(response.usage);
      expect(usages.some(({ inputTokens }) => inputTokens === 100)).toBe(true);
      expect(bodies(own)[1]?.messages).toEqual([
        { role: "user", content: [{ type: "text", text: "Hello" }] },
        { role: "assistant", content: [{ type: "text", text: "first " }] },
      ]);
    },
  );

  test("a call that fails after a pause still tells what the first hop used", async () => {
    const own = await start("anthropic");
    own.reply(
      { answer: { text: "first ", finish: "pause", usage: { input: 100, output: 10 } } },
      { status: 500 },
    );
    const { usages } = await fail(modelsAt("anthropic", own.baseUrl));
    expect(usages.at(-1)).toMatchObject({ inputTokens: 100, outputTokens: 10 });
  });

  test("a schema keeps its optional properties, and tells what cannot be checked", async () => {
    await call(modelsAt("anthropic", server.baseUrl), { schema: PERSON });
    expect(bodies(server).at(-1)?.output_config).toEqual({
      format: {
        type: "json_schema",
        schema: {
          type: "object",
          properties: { name: { type: "string" }, age: { type: "integer", description: "(minimum 0)" } },
          required: ["name"],
          additionalProperties: false,
        },
      },
    });
  });

  test("a record, which would become an empty object, is asked for in words", async () => {
    server.reply(
      { answer: { text: 'Sure:\n```json\n{"counts":{"a":1}}\n```' } },
      { answer: { text: '{"counts":{"a":1}}' } },
    );
    await call(modelsAt("anthropic", server.baseUrl), { schema: RECORD });
    const { response } = await call(modelsAt("anthropic", server.baseUrl), { schema: RECORD });
    expect(response.text).toBe('{"counts":{"a":1}}');
    expect(bodies(server).at(-1)).not.toHaveProperty("output_config");
    expect(bodies(server).at(-1)?.system).toContain('"additionalProperties":{"type":"number"}');
  });

  test("results of tools come first in one turn, whatever stands between them", async () => {
    await call(modelsAt("anthropic", server.baseUrl), {
      messages: [
        { role: "user", content: "?" },
        {
          role: "assistant",
          content: "",
          toolCalls: [
            { id: "a", name: "now", args: {} },
            { id: "b", name: "now", args: null },
          ],
        },
        { role: "tool", content: "1", toolCallId: "a" },
        { role: "user", content: "hurry" },
        { role: "tool", content: "2", toolCallId: "b" },
      ],
    });
    const turns = bodies(server).at(-1)?.messages as readonly unknown[] | undefined;
    expect(turns?.at(-1)).toEqual({
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "a", content: "1" },
        { type: "tool_result", tool_use_id: "b", content: "2" },
        { type: "text", text: "hurry" },
      ],
    });
  });

  test("many tokens are allowed without streaming", async () => {
    const { response } = await call(modelsAt("anthropic", server.baseUrl), { maxOutputTokens: 64_000 });
    expect(response.text).toBe("ok");
  });

  test("a spend limit is not a rate limit", async () => {
    server.reply({ status: 429, code: "monthly_spend_limit_reached", message: "limit" });
    expect((await fail(modelsAt("anthropic", server.baseUrl))).error.kind).toBe("quota");
    server.reply({ status: 400, message: "Your credit balance is too low to access the Anthropic API." });
    expect((await fail(modelsAt("anthropic", server.baseUrl))).error.kind).toBe("quota");
  });

  test("the base URL may have the version at its end", async () => {
    await call(modelsAt("anthropic", `${server.baseUrl}/v1/`));
    expect(server.requests.at(-1)?.path).toBe("/v1/messages");
  });

  test("rate limits in Anthropic's own headers are read", async () => {
    const at = Date.parse("2026-01-01T00:00:00Z");
    server.reply({
      answer: { text: "a" },
      headers: {
        date: new Date(at).toUTCString(),
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": new Date(at + 5000).toISOString(),
        "anthropic-ratelimit-input-tokens-remaining": "9000",
      },
    });
    const { response } = await call(modelsAt("anthropic", server.baseUrl));
    expect(response.limits).toEqual({ remainingRequests: 49, remainingTokens: 9000, resetMs: 5000 });
  });
});

describe("the Gemini API", () => {
  let server: ModelServer;
  beforeAll(async () => {
    server = await start("gemini");
  });

  test("hops are ours, and each is told", async () => {
    const own = await start("gemini");
    own.reply(
      { answer: { text: "first ", finish: "pause", usage: { input: 10, output: 3 } } },
      { answer: { text: "second", usage: { input: 13, output: 2 } } },
    );
    const { response, usages } = await call(modelsAt("gemini", own.baseUrl));
    expect(response).toMatchObject({ text: "first second", finishReason: "stop" });
    expect(response.usage).toMatchObject({ inputTokens: 23, outputTokens: 5 });
    expect(usages.length).toBe(2);
    expect(own.requests.length).toBe(2);
  });

  test("a schema is plain JSON Schema, without what Gemini does not know", async () => {
    await call(modelsAt("gemini", server.baseUrl), { schema: PERSON });
    expect(bodies(server).at(-1)?.generationConfig).toMatchObject({
      responseMimeType: "application/json",
      responseJsonSchema: {
        type: "object",
        properties: { name: { type: "string" }, age: { type: "integer", minimum: 0 } },
        required: ["name"],
      },
    });
  });

  test("RetryInfo says how long to wait", async () => {
    const body = {
      error: {
        code: 429,
        status: "RESOURCE_EXHAUSTED",
        message: "quota of the minute",
        details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "7.5s" }],
      },
    };
    server.reply({ status: 429, body: JSON.stringify(body) });
    expect((await fail(modelsAt("gemini", server.baseUrl))).error).toMatchObject({
      kind: "rate_limited",
      retryAfterMs: 7500,
    });
  });

  test("the quota of a day is not worth waiting for", async () => {
    const details = [{ violations: [{ quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier" }] }];
    const body = { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "quota", details } };
    server.reply({ status: 429, body: JSON.stringify(body) });
    expect((await fail(modelsAt("gemini", server.baseUrl))).error.kind).toBe("quota");
  });

  test("a wrong key is told as such, although it comes as a bad request", async () => {
    server.reply({ status: 400, code: "API_KEY_INVALID", message: "API key not valid." });
    expect((await fail(modelsAt("gemini", server.baseUrl))).error.kind).toBe("auth");
  });

  test("a malformed function call is worth another try, and costs", async () => {
    const candidates = [{ content: {}, finishReason: "MALFORMED_FUNCTION_CALL" }];
    const body = { candidates, usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 4 } };
    server.reply({ status: 200, body: JSON.stringify(body) });
    const { error, usages } = await fail(modelsAt("gemini", server.baseUrl));
    expect(error.kind).toBe("malformed");
    expect(usages.at(-1)).toMatchObject({ inputTokens: 9, outputTokens: 4 });
  });

  test("calls without ids get some that are never sent", async () => {
    const args = { city: "Rome" };
    server.reply({
      answer: {
        toolCalls: [
          { name: "weather", args },
          { name: "weather", args },
        ],
      },
    });
    const { response } = await call(modelsAt("gemini", server.baseUrl));
    const [first, second] = response.toolCalls;
    expect(first?.id).not.toBe(second?.id);
    expect(first?.id.length).toBeLessThanOrEqual(40);
    await call(modelsAt("gemini", server.baseUrl), {
      messages: [
        { role: "user", content: "?" },
        {
          role: "assistant",
          content: "",
          toolCalls: response.toolCalls,
          native: { provider: "theirs", items: response.native },
        },
        ...response.toolCalls.map(({ id }) => ({
          role: "tool" as const,
          content: '{"c":3}',
          toolCallId: id,
        })),
      ],
    });
    const result = { functionResponse: { name: "weather", response: { output: { c: 3 } } } };
    expect(bodies(server).at(-1)?.contents).toMatchObject([
      { role: "user" },
      { role: "model" },
      { role: "user", parts: [result, result] },
    ]);
    expect(JSON.stringify(bodies(server).at(-1))).not.toContain(first?.id);
  });

  test("the base URL may have the version at its end", async () => {
    await call(modelsAt("gemini", `${server.baseUrl}/v1`));
    expect(server.requests.at(-1)?.path).toBe("/v1/models/a-model:generateContent");
  });

  test("a model that takes no schema beside tools is asked for it in words", async () => {
    const own = await start("gemini");
    own.reply({
      status: 400,
      message: "Function calling with a response mime type: 'application/json' is unsupported",
    });
    await call(modelsAt("gemini", own.baseUrl), { schema: PERSON });
    expect(bodies(own)[1]?.generationConfig).not.toHaveProperty("responseJsonSchema");
    expect(JSON.stringify(bodies(own)[1]?.systemInstruction)).toContain("JSON Schema");
  });
});

describe("an SDK", () => {
  test("that is not installed is asked for by name", async () => {
    const missing = Object.assign(new Error("Cannot find package 'openai' imported from x"), {
      code: "ERR_MODULE_NOT_FOUND",
    });
    await expect(loadSdk("openai", () => Promise.reject(missing))).rejects.toMatchObject({
      code: "NO_PROVIDER",
      message: expect.stringContaining("npm install openai"),
    });
  });

  test("that misses a package of its own is told as it is", async () => {
    const missing = Object.assign(new Error("Cannot find package 'ws' imported from openai"), {
      code: "ERR_MODULE_NOT_FOUND",
    });
    await expect(loadSdk("openai", () => Promise.reject(missing))).rejects.toBe(missing);
  });
});
