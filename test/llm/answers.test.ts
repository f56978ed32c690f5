import { expect, test } from "vitest";
import { z } from "zod";
import { rejection } from "../promises.ts";
import { fakeTask, openDesk, openScripted, ScriptedModels, USAGE } from "./fakes.ts";

const schema = z.object({ name: z.string(), tags: z.array(z.string()).default([]) });

test("an answer is what the schema makes of it, and the provider is told the schema as JSON Schema", async () => {
  const desk = openScripted('{"name":"a"}');
  const { parsed } = await desk.ask({ schema });
  expect(parsed).toEqual({ name: "a", tags: [] });
  expect(desk.models.requests[0]?.schema).toMatchObject({
    name: "answer",
    json: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
  });
});

test("where the provider enforces no schema it is part of the system prompt", async () => {
  const models = new ScriptedModels(['{"name":"a"}'], { structured: false });
  const desk = openDesk({ providers: { local: models } });
  await desk.ask({
    schema,
    messages: [
      { role: "system", content: "Be kind." },
      { role: "user", content: "Who?" },
    ],
  });
  const [request] = models.requests;
  expect(request?.schema).toBeUndefined();
  expect(request?.messages[0]?.content).toMatch(
    /^Be kind\.\n\nAnswer with one JSON value.*"required":\["name"\]/s,
  );
});

test.each([
  ["in a code fence", 'Here you are:\n```json\n{"name":"a"}\n```\nAnything else?'],
  ["with prose around it", 'Sure [1]! {"name":"a"} is what I found.'],
  ["with braces in its texts", 'So: {"name":"a","tags":["}{\\"]"]} there.'],
])("an answer is found %s", async (_, text) => {
  const desk = openScripted(text);
  expect((await desk.ask({ schema })).parsed).toMatchObject({ name: "a" });
  expect(desk.models.calls).toBe(1);
});

test("an answer that does not fit is repaired: the model is told what is wrong, and where", async () => {
  const desk = openScripted('{"name":1,"tags":[2]}', '{"name":"a"}');
  const result = await desk.ask({ schema });
  expect(result.parsed).toMatchObject({ name: "a" });
  expect(result.usage.calls).toBe(2);
  const told = desk.models.requests[1]?.messages.slice(-2);
  expect(told?.[0]).toMatchObject({ role: "assistant", content: '{"name":1,"tags":[2]}' });
  expect(told?.[1]?.content).toMatch(/- name: .*\n- tags\[0\]: /);
  expect(result.messages.map(({ role }) => role)).toEqual(["assistant", "user", "assistant"]);
});

test("after maxRepairs the error keeps the raw text in its details, and not in its message", async () => {
  const desk = openScripted(`I will not say. ${"x".repeat(20_000)}`);
  const error = await rejection(desk.ask({ schema, maxRepairs: 1 }));
  expect(error).toMatchObject({
    code: "RESPONSE_INVALID",
    retryable: false,
    details: { repairs: 1, problems: ["the answer holds no complete JSON value"] },
  });
  expect(error.details?.response).toHaveLength(10_000);
  expect(error.message).not.toContain("I will not");
  expect(desk.models.calls).toBe(2);
  expect(desk.ledger.outcomes.map(({ status }) => status)).toEqual(["ok", "ok"]);
});

test("an answer that was cut off at the default limit is asked for once more with a higher one", async () => {
  const desk = openScripted({ text: '{"name":"a', finishReason: "length" }, '{"name":"a"}');
  const { parsed, messages } = await desk.ask({ schema });
  expect(parsed).toMatchObject({ name: "a" });
  expect(desk.models.requests.map(({ maxOutputTokens }) => maxOutputTokens)).toEqual([4096, 16_384]);
  expect(messages).toHaveLength(1);
});

test("an answer that was cut off at the caller's limit says to raise it", async () => {
  const desk = openScripted({ text: '{"name":"a', finishReason: "length" });
  const error = await rejection(desk.ask({ schema, maxOutputTokens: 50 }));
  expect(error).toMatchObject({ code: "RESPONSE_INVALID", details: { finishReason: "length" } });
  expect(error.message).toContain("cut off at 50 tokens; raise maxOutputTokens");
  expect(desk.models.calls).toBe(1);
});

test("without a schema a text that was cut off is handed on as it is", async () => {
  const desk = openScripted({ text: "Once upon", finishReason: "length" });
  expect(await desk.ask({})).toMatchObject({ response: "Once upon", finishReason: "length" });
});

test("a schema that JSON Schema cannot hold is refused before anything is asked", async () => {
  const desk = openScripted("never");
  const error = await rejection(desk.ask({ schema: z.object({ at: z.date() }) }));
  expect(error).toMatchObject({ code: "INVALID_INPUT" });
  expect(error.message).toContain("schema cannot be written as JSON Schema");
  expect(await rejection(desk.ask({ schema: { type: "object" } as never }))).toMatchObject({
    code: "INVALID_INPUT",
  });
  expect(desk.models.calls).toBe(0);
});

test("a schema of another library is taken if it speaks Standard Schema with JSON Schema", async () => {
  const other = {
    "~standard": {
      version: 1,
      vendor: "other",
      validate: (value: unknown) =>
        value === 7 ? { value: "seven" } : { issues: [{ message: "not 7", path: [{ key: "n" }] }] },
      jsonSchema: { input: () => ({ const: 7 }) },
    },
  };
  const desk = openScripted("8", "7");
  expect((await desk.ask<unknown>({ schema: other as never })).parsed).toBe("seven");
  expect(desk.models.requests[0]?.schema?.json).toEqual({ const: 7 });
});

test("a repair goes on with the model that gave the answer, not with the one before it", async () => {
  const { ModelError } = await import("../../src/index.ts");
  const first = new ScriptedModels([new ModelError("not_found", "gone")]);
  const second = new ScriptedModels(["{}", '{"name":"a"}']);
  const desk = openDesk({ providers: { a: first, b: second } });
  await desk.ask({ schema, provider: "a", model: "x", fallbacks: [{ provider: "b", model: "y" }] });
  expect([first.calls, second.calls]).toEqual([1, 2]);
});

test("a request that was cut short goes on where it stopped: turns that were paid for are not paid again", async () => {
  const memory = new Map<string, string>();
  const task = fakeTask(memory);
  const { ModelError } = await import("../../src/index.ts");
  const desk = openScripted("{}", new ModelError("auth", "key expired"), '{"name":"a"}');
  expect(await rejection(desk.ask({ schema }, { task }))).toMatchObject({ code: "PROVIDER_ERROR" });
  const { parsed, usage } = await desk.ask({ schema }, { task, resumed: true });
  expect(parsed).toMatchObject({ name: "a" });
  expect(desk.models.calls).toBe(3);
  expect(desk.models.requests[2]?.messages).toHaveLength(3);
  // What the ledger says, not what this call knows.
  expect(usage.calls).toBe(3);
});

test("what the provider needs back word for word is part of its turns", async () => {
  const desk = openScripted({ text: "{}", native: [{ signature: "s" }], usage: USAGE }, '{"name":"a"}');
  await desk.ask({ schema });
  expect(desk.models.requests[1]?.messages[1]?.native).toEqual({
    provider: "scripted",
    items: [{ signature: "s" }],
  });
});
