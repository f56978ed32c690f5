import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { LlmMessage } from "../../src/core/llm.ts";
import type { ChatModels } from "../../src/core/model.ts";
import { call, fail, KEY, modelsAt } from "./adapter-fixture.ts";
import {
  type Answer,
  FORMATS,
  type ModelServer,
  type Reply,
  startModelServer,
  type Vendor,
} from "./servers/model-server.ts";

const VENDORS: readonly Vendor[] = ["openai-responses", "openai-chat", "anthropic", "gemini"];
const MODES = [
  { mode: "whole", streamed: false },
  { mode: "streamed", streamed: true },
] as const;

const jsonOf = (schema: z.ZodType): Record<string, unknown> =>
  z.toJSONSchema(schema, { target: "draft-2020-12", io: "input", reused: "inline" });

const WEATHER = {
  name: "weather",
  description: "The weather of a city",
  parameters: jsonOf(z.object({ city: z.string(), unit: z.enum(["c", "f"]).optional() })),
};

const TEXT = "Grüße aus 東京 — 😀 done.";

describe.each(VENDORS)("the adapter for %s", (vendor) => {
  let server: ModelServer;
  let models: ChatModels;

  beforeAll(async () => {
    server = await startModelServer(vendor);
    models = modelsAt(vendor, server.baseUrl);
  });
  afterAll(() => server.close());

  const lastRequest = (): ModelServer["requests"][number] => {
    const last = server.requests.at(-1);
    if (!last) {
      throw new Error("no request arrived");
    }
    return last;
  };

  describe.each(MODES)("$mode", ({ streamed }) => {
    const ask = (answer: Answer, words = {}): ReturnType<typeof call> => {
      server.reply({ answer });
      return call(models, words, { streamed });
    };

    test("a text is answered, with what it used, told before", async () => {
      const usage = { input: 100, cacheRead: 40, output: 20, reasoning: 7 };
      const { response, usages, texts } = await ask({ text: TEXT, usage });
      expect(response).toMatchObject({
        text: TEXT,
        toolCalls: [],
        finishReason: "stop",
        refusal: null,
        model: "served-model",
        requestId: "req_1",
        costUsd: null,
        usage: {
          inputTokens: 100,
          cacheReadTokens: 40,
          cacheWriteTokens: 0,
          outputTokens: 20,
          reasoningTokens: 7,
          estimated: false,
        },
      });
      expect(response.responseId).toBeTypeOf("string");
      expect(usages.at(-1)).toEqual(response.usage);
      expect(texts.join("")).toBe(streamed ? TEXT : "");
      if (streamed) {
        expect(texts.length).toBeGreaterThan(3);
      }
    });

    test("one call is one HTTP request", async () => {
      const before = server.requests.length;
      await ask({ text: "a" });
      expect(server.requests.length - before).toBe(1);
    });

    test("usage that the provider does not tell is estimated", async () => {
      const { response, usages } = await ask({ text: TEXT, usage: null });
      expect(response.usage).toBeNull();
      expect(usages.at(-1)).toMatchObject({ estimated: true });
      expect(usages.at(-1)?.inputTokens).toBeGreaterThan(0);
      expect(usages.at(-1)?.outputTokens).toBeGreaterThan(5);
    });

    test("an answer that was cut off for its length says so", async () => {
      const { response } = await ask({ text: "once upon", finish: "length" });
      expect(response).toMatchObject({ text: "once upon", finishReason: "length" });
    });

    test("a refusal is an answer, with the model's words and its cost", async () => {
      const { response, usages } = await ask({ finish: "refusal", refusal: "No, sorry." });
      expect(response.finishReason).toBe(vendor === "gemini" ? "content_filter" : "refusal");
      expect(response.refusal).toContain(vendor === "gemini" ? "SAFETY" : "No, sorry.");
      expect(usages.at(-1)?.inputTokens).toBe(10);
    });

    test("what a filter stopped is told as such", async () => {
      const { response } = await ask({ text: "", finish: "content_filter" });
      expect(response.finishReason).toBe(vendor === "anthropic" ? "refusal" : "content_filter");
    });

    test("a prompt that was blocked is an answer with nothing in it", async () => {
      const { response } = await ask({ finish: "blocked" });
      expect(response.text).toBe("");
      expect(["content_filter", "refusal"]).toContain(response.finishReason);
    });

    test("several tools are asked for at once, each with an id and its args", async () => {
      const toolCalls = [
        { id: "id_a", name: "weather", args: { city: "Rome" } },
        { id: "id_b", name: "weather", args: { city: "Zürich", unit: "c" } },
      ];
      const { response } = await ask({ toolCalls }, { tools: [WEATHER] });
      expect(response.finishReason).toBe("tool_calls");
      expect(response.toolCalls).toEqual(toolCalls);
    });

    test("tools that may not be used any more are told of, and forbidden", async () => {
      await ask({ text: "enough" }, { tools: [WEATHER], toolChoice: "none" });
      const body = JSON.stringify(lastRequest().body);
      expect(body).toContain("weather");
      expect(body).toMatch(
        {
          "openai-responses": /"tool_choice":"none"/,
          "openai-chat": /"tool_choice":"none"/,
          anthropic: /"tool_choice":\{"type":"none"\}/,
          gemini: /"functionCallingConfig":\{"mode":"NONE"\}/,
        }[vendor],
      );
    });

    test("args that were null for want of a value are left out", async () => {
      const { response } = await ask(
        { toolCalls: [{ id: "id_a", name: "weather", args: { city: "Rome", unit: null } }] },
        { tools: [WEATHER] },
      );
      expect(response.toolCalls[0]?.args).toEqual({ city: "Rome" });
    });

    test("a tool loop sends the provider's own turn back word for word, and all results", async () => {
      const toolCalls = [
        { id: "id_a", name: "weather", args: { city: "Rome" } },
        { id: "id_b", name: "weather", args: { city: "Oslo" } },
      ];
      const { response } = await ask({ toolCalls, reasoning: true }, { tools: [WEATHER] });
      const messages: LlmMessage[] = [
        { role: "user", content: "Weather?" },
        {
          role: "assistant",
          content: "THE NEUTRAL TEXT",
          toolCalls: response.toolCalls,
          native: { provider: "theirs", items: response.native },
        },
        { role: "tool", content: "sunny", toolCallId: "id_a" },
        { role: "tool", content: "no such city", toolCallId: "id_b", isError: true },
        { role: "user", content: "And tomorrow?" },
      ];
      await ask({ text: "fine" }, { messages, tools: [WEATHER] });
      const sent = JSON.stringify(lastRequest().body);
      expect(sent).not.toContain("THE NEUTRAL TEXT");
      expect(sent).toContain("And tomorrow?");
      const secret = vendor === "anthropic" || vendor === "gemini" ? "c2ln" : "c2VjcmV0";
      expect(sent).toContain(secret);
      expect(turnsOf(vendor, lastRequest().body)).toEqual(REPLAYED[vendor]);
    });

    test("the turns of another provider are sent as text and tool calls, without its reasoning", async () => {
      const messages: LlmMessage[] = [
        { role: "user", content: "Weather?" },
        {
          role: "assistant",
          content: "let me see",
          toolCalls: [{ id: "id:1", name: "weather", args: { city: "Rome" } }],
          native: { provider: "another", items: [{ secret: "SECRET" }] },
        },
        { role: "tool", content: "sunny", toolCallId: "id:1" },
      ];
      await ask({ text: "fine" }, { messages, tools: [WEATHER] });
      const sent = JSON.stringify(lastRequest().body);
      expect(sent).not.toContain("SECRET");
      expect(sent).toContain("let me see");
      expect(sent).toContain("Rome");
      expect(sent).toContain("sunny");
    });

    test("a structured answer comes back as the original schema expects it", async () => {
      const schema = z.object({ name: z.string(), age: z.number().optional(), nick: z.string().nullable() });
      const { response } = await ask(
        { text: '{"name":"Ann","age":null,"nick":null}' },
        { schema: { name: "person", json: jsonOf(schema) } },
      );
      expect(JSON.parse(response.text)).toEqual({ name: "Ann", nick: null });
      expect(schema.safeParse(JSON.parse(response.text)).success).toBe(true);
    });

    test("a schema that is no object is wrapped, and the answer unwrapped", async () => {
      const json = jsonOf(z.array(z.union([z.string(), z.object({ n: z.number() })])));
      const { response } = await ask({ text: '{"value":["a",{"n":1}]}' }, { schema: { name: "list", json } });
      expect(JSON.parse(response.text)).toEqual(["a", { n: 1 }]);
      expect(JSON.stringify(lastRequest().body)).toContain('"required":["value"]');
    });

    test("a structured answer that is no JSON stays as it is", async () => {
      const json = jsonOf(z.object({ a: z.string() }));
      const { response } = await ask({ text: '{"a": "x', finish: "length" }, { schema: { name: "s", json } });
      expect(response.text).toBe('{"a": "x');
    });

    test("schemas of every kind are sent without an error", async () => {
      const json = jsonOf(
        z.object({
          record: z.record(z.string(), z.number()),
          anything: z.unknown(),
          tuple: z.tuple([z.string(), z.number()]),
          json: z.json(),
        }),
      );
      const text = '{"record":{"a":1},"anything":[1],"tuple":["a",1],"json":{"x":[null]}}';
      const { response } = await ask({ text }, { schema: { name: "s", json } });
      expect(JSON.parse(response.text)).toEqual(JSON.parse(text));
      expect(JSON.stringify(lastRequest().body)).toContain("anything");
    });

    test("a broken answer of a stream or a body is a network error that may be billed", async () => {
      server.reply({ cut: "at once" });
      const { error } = await fail(models, {}, { streamed });
      expect(error).toMatchObject({ kind: "network", mayBeBilled: true });
      expect(error.message).toContain("theirs");
    });

    test("a server that says nothing ends with the timeout", async () => {
      server.reply({ silent: true });
      const { error } = await fail(models, {}, { streamed, timeoutMs: 150 });
      expect(error).toMatchObject({ kind: "timeout", mayBeBilled: true });
      expect(error.message).toContain("150 ms");
    });

    test("a server that trickles ends with the timeout", async () => {
      server.reply({ silent: "trickle" });
      const { error } = await fail(models, {}, { streamed, timeoutMs: 250 });
      expect(error.kind).toBe("timeout");
    });

    test("the caller's abort is told as an abort, at once", async () => {
      server.reply({ silent: true });
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error("enough")), 50);
      const { error } = await fail(models, {}, { streamed, signal: controller.signal });
      expect(error.kind).toBe("aborted");
    });

    test("a signal that was aborted before makes no request", async () => {
      const before = server.requests.length;
      const { error } = await fail(models, {}, { streamed, signal: AbortSignal.abort() });
      expect(error).toMatchObject({ kind: "aborted", mayBeBilled: false });
      expect(server.requests.length).toBe(before);
    });

    const STATUSES = [
      [400, "bad_request", false],
      [401, "auth", false],
      [402, "quota", false],
      [403, "auth", false],
      [404, "not_found", false],
      [408, "timeout", true],
      [409, "server", true],
      [413, "too_long", false],
      [422, "bad_request", false],
      [429, "rate_limited", false],
      [500, "server", true],
      [502, "server", true],
      [503, "overloaded", false],
      [504, "server", true],
      [529, "overloaded", false],
    ] as const;

    test.each(STATUSES)("status %i is %s", async (status, kind, mayBeBilled) => {
      const before = server.requests.length;
      server.reply({ status, message: `because of ${KEY}, Hello` });
      const { error, usages } = await fail(models, {}, { streamed });
      expect(error).toMatchObject({ kind, status, mayBeBilled });
      expect(error.message).toContain("because of [key]");
      expect(error.message).not.toContain(KEY);
      expect(error.requestId).toBeTypeOf("string");
      expect(usages).toEqual([]);
      // The SDKs would have tried again.
      expect(server.requests.length - before).toBe(1);
    });

    const MALFORMED: readonly (readonly [string, Reply])[] = [
      ["HTML with status 200", { status: 200, body: "<html>Welcome</html>", contentType: "text/html" }],
      ["an empty body", { status: 200, body: "" }],
      ["a body that is no JSON", { status: 200, body: '{"half":' }],
      ["a JSON body without an answer", { status: 200, body: '{"id":"x","choices":[],"candidates":[]}' }],
      ["null", { status: 200, body: "null" }],
    ];

    test.each(MALFORMED)("%s is malformed", async (_, reply) => {
      server.reply(reply);
      const { error } = await fail(models, {}, { streamed });
      expect(error).toMatchObject({ kind: "malformed", mayBeBilled: true });
      expect(error.message).not.toContain("Welcome");
    });

    test("HTML with status 502 is a failure of the server, and the page is not shown", async () => {
      server.reply({ status: 502, body: "<html>Bad gateway {}</html>", contentType: "text/html" });
      const { error } = await fail(models, {}, { streamed });
      expect(error).toMatchObject({ kind: "server", status: 502 });
      expect(error.message).not.toContain("gateway");
    });

    test("an error with status 200 is that error", async () => {
      server.reply({
        status: 200,
        body: JSON.stringify({ error: { code: 429, message: "slow down please" } }),
      });
      const { error } = await fail(models, {}, { streamed });
      expect(error.kind).toBe("rate_limited");
      expect(error.message).toContain("slow down please");
    });

    const now = Date.parse("2026-01-01T00:00:00Z");
    const RETRY_AFTER: readonly (readonly [Record<string, string>, number | null])[] = [
      [{ "retry-after-ms": "1500" }, 1500],
      [{ "retry-after": "90" }, 90_000],
      [{ "retry-after": "0.5" }, 500],
      [{ date: new Date(now).toUTCString(), "retry-after": new Date(now + 7000).toUTCString() }, 7000],
      [{ date: new Date(now).toUTCString(), "retry-after": new Date(now - 7000).toUTCString() }, 0],
      [{ "retry-after": "soon" }, null],
      [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s" }, 62_000],
    ];

    test.each(RETRY_AFTER)("a 429 with %o asks to wait %o ms", async (headers, retryAfterMs) => {
      server.reply({ status: 429, headers });
      const { error } = await fail(models, {}, { streamed });
      expect(error).toMatchObject({ kind: "rate_limited", retryAfterMs });
    });

    test("rate limits are read from the headers of an answer", async () => {
      const headers = {
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-remaining-tokens": "4000",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-reset-tokens": "6m0s",
      };
      server.reply({ answer: { text: "a" }, headers });
      const { response } = await call(models, {}, { streamed });
      expect(response.limits).toEqual({ remainingRequests: 3, remainingTokens: 4000, resetMs: 120 });
    });

    test("nothing is sent that was not asked for", async () => {
      await ask({ text: "a" });
      const { body, headers } = lastRequest();
      const all = JSON.stringify(body);
      for (const word of [
        "temperature",
        "top_p",
        "topP",
        "seed",
        "tools",
        "reasoning_effort",
        "effort",
        "thinking",
      ]) {
        expect(all).not.toContain(`"${word}`);
      }
      expect(headers["x-client-request-id"]).toBe("call-id-1");
      expect(headers["x-stainless-retry-count"] ?? "0").toBe("0");
      expect(headers.traceparent).toBeUndefined();
    });
  });

  test("a stream that is cut in the middle is a network error, with an estimate of what it used", async () => {
    server.reply({ cut: "in the middle" });
    const { error, usages, texts } = await fail(models, {}, { streamed: true });
    expect(error).toMatchObject({ kind: "network", mayBeBilled: true });
    expect(texts.join("").length).toBeGreaterThan(5);
    expect(usages.at(-1)?.outputTokens).toBeGreaterThan(vendor === "gemini" ? -1 : 1);
    expect(usages.at(-1)?.inputTokens).toBeGreaterThan(0);
  });

  test("a provider that is overloaded in the middle of a stream says so, and what was written counts", async () => {
    server.reply({ overloaded: { text: TEXT.repeat(4) } });
    const { error, usages } = await fail(models, {}, { streamed: true });
    expect(error).toMatchObject({
      kind: vendor === "openai-responses" ? "server" : "overloaded",
      mayBeBilled: true,
    });
    expect(usages.at(-1)?.inputTokens).toBeGreaterThan(0);
  });

  test("an abort in the middle of a stream tells what was used so far, and nothing after", async () => {
    server.reply({ silent: "trickle" });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 60);
    const { error } = await fail(models, {}, { streamed: true, signal: controller.signal });
    expect(error).toMatchObject({ kind: "aborted", mayBeBilled: true });
  });

  test("events that are no JSON are malformed, and their text is not shown", async () => {
    server.reply({ status: 200, body: 'event: x\ndata: {"oops WORDS\n\n', contentType: "text/event-stream" });
    const { error } = await fail(models, {}, { streamed: true });
    expect(["malformed", "network"]).toContain(error.kind);
    expect(error.message).not.toContain("WORDS");
  });

  test("what is asked for is sent under the provider's names", async () => {
    await call(models, {
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hi" },
        { role: "assistant", content: "Hello!" },
        { role: "user", content: "Bye" },
      ],
      temperature: 0.5,
      effort: "low",
      stop: ["END"],
      seed: 7,
      maxOutputTokens: 50_000,
    });
    expect(lastRequest().body).toEqual(EXPECTED_BODY[vendor]);
    const auth = lastRequest().headers.authorization ?? lastRequest().headers["x-goog-api-key"];
    expect(auth).toBe(vendor === "gemini" ? KEY : `Bearer ${KEY}`);
  });

  test("headers and a fetch of one's own are used", async () => {
    let urls = 0;
    const own = modelsAt(vendor, server.baseUrl, {
      headers: { "x-team": "blue" },
      fetch: (input, init) => {
        urls++;
        return fetch(input, init);
      },
    });
    await call(own);
    expect(lastRequest().headers["x-team"]).toBe("blue");
    expect(urls).toBe(1);
  });

  test("a server that is not there is a network error that costs nothing", async () => {
    const gone = await startModelServer(vendor);
    await gone.close();
    const { error } = await fail(modelsAt(vendor, gone.baseUrl));
    expect(error).toMatchObject({ kind: "network", mayBeBilled: false });
  });

  test("a request that is too long, and an unknown model, are told apart from other bad requests", async () => {
    server.reply({ status: 400, message: "This model's maximum context length is 8192 tokens" });
    expect((await fail(models)).error.kind).toBe("too_long");
    server.reply({ status: 404, message: "The model `a-model` does not exist" });
    expect((await fail(models)).error.kind).toBe("not_found");
  });

  test("reasons are cut to 300 characters", async () => {
    server.reply({ status: 400, message: "x".repeat(5000) });
    expect((await fail(models)).error.message.length).toBeLessThan(500);
  });

  test("an event that a server adds does not matter", async () => {
    const events = FORMATS[vendor].events({ text: "hello" });
    server.reply({
      events: [
        events[0] ?? { data: {} },
        { event: "new.thing", data: { type: "new.thing" } },
        ...events.slice(1),
      ],
    });
    const { response } = await call(models, {}, { streamed: true });
    expect(response.text).toBe("hello");
  });
});

/** The turns of a request, wherever the vendor has them. */
function turnsOf(vendor: Vendor, body: Record<string, unknown>): unknown {
  return vendor === "gemini" ? body.contents : vendor === "openai-responses" ? body.input : body.messages;
}

const EXPECTED_BODY: Readonly<Record<Vendor, unknown>> = {
  "openai-responses": {
    model: "a-model",
    instructions: "Be brief.",
    input: [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello!" },
      { role: "user", content: "Bye" },
    ],
    max_output_tokens: 50_000,
    store: false,
    include: ["reasoning.encrypted_content"],
    temperature: 0.5,
    reasoning: { effort: "low" },
  },
  "openai-chat": {
    model: "a-model",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello!" },
      { role: "user", content: "Bye" },
    ],
    max_tokens: 50_000,
    temperature: 0.5,
    reasoning_effort: "low",
    stop: ["END"],
    seed: 7,
  },
  anthropic: {
    model: "a-model",
    max_tokens: 50_000,
    system: "Be brief.",
    messages: [
      { role: "user", content: [{ type: "text", text: "Hi" }] },
      { role: "assistant", content: [{ type: "text", text: "Hello!" }] },
      { role: "user", content: [{ type: "text", text: "Bye" }] },
    ],
    output_config: { effort: "low" },
    temperature: 0.5,
    stop_sequences: ["END"],
    stream: false,
  },
  gemini: {
    systemInstruction: { parts: [{ text: "Be brief." }], role: "user" },
    contents: [
      { role: "user", parts: [{ text: "Hi" }] },
      { role: "model", parts: [{ text: "Hello!" }] },
      { role: "user", parts: [{ text: "Bye" }] },
    ],
    generationConfig: {
      maxOutputTokens: 50_000,
      temperature: 0.5,
      stopSequences: ["END"],
      seed: 7,
      thinkingConfig: { thinkingLevel: "LOW" },
    },
  },
};

const ARGS = ['{"city":"Rome"}', '{"city":"Oslo"}'] as const;

/** A turn with reasoning and two tool calls as it was answered, and the results. */
const REPLAYED: Readonly<Record<Vendor, unknown>> = {
  "openai-responses": [
    { role: "user", content: "Weather?" },
    { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "c2VjcmV0" },
    {
      type: "function_call",
      id: "fc_0",
      call_id: "id_a",
      name: "weather",
      arguments: ARGS[0],
      status: "completed",
    },
    {
      type: "function_call",
      id: "fc_1",
      call_id: "id_b",
      name: "weather",
      arguments: ARGS[1],
      status: "completed",
    },
    { type: "function_call_output", call_id: "id_a", output: "sunny" },
    { type: "function_call_output", call_id: "id_b", output: "no such city" },
    { role: "user", content: "And tomorrow?" },
  ],
  "openai-chat": [
    { role: "user", content: "Weather?" },
    expect.objectContaining({
      role: "assistant",
      content: null,
      reasoning_details: [{ type: "reasoning.encrypted", data: "c2VjcmV0" }],
      tool_calls: [
        { id: "id_a", type: "function", function: { name: "weather", arguments: ARGS[0] } },
        { id: "id_b", type: "function", function: { name: "weather", arguments: ARGS[1] } },
      ],
    }),
    { role: "tool", tool_call_id: "id_a", content: "sunny" },
    { role: "tool", tool_call_id: "id_b", content: "no such city" },
    { role: "user", content: "And tomorrow?" },
  ],
  anthropic: [
    { role: "user", content: [{ type: "text", text: "Weather?" }] },
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "hm", signature: "c2ln" },
        { type: "tool_use", id: "id_a", name: "weather", input: { city: "Rome" } },
        { type: "tool_use", id: "id_b", name: "weather", input: { city: "Oslo" } },
      ],
    },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "id_a", content: "sunny" },
        { type: "tool_result", tool_use_id: "id_b", content: "no such city", is_error: true },
        { type: "text", text: "And tomorrow?" },
      ],
    },
  ],
  gemini: [
    { role: "user", parts: [{ text: "Weather?" }] },
    {
      role: "model",
      parts: expect.arrayContaining([
        { functionCall: { id: "id_a", name: "weather", args: { city: "Rome" } }, thoughtSignature: "c2ln" },
        { functionCall: { id: "id_b", name: "weather", args: { city: "Oslo" } } },
      ]),
    },
    {
      role: "user",
      parts: [
        { functionResponse: { id: "id_a", name: "weather", response: { output: "sunny" } } },
        { functionResponse: { id: "id_b", name: "weather", response: { error: "no such city" } } },
        { text: "And tomorrow?" },
      ],
    },
  ],
};
