import { calcPrice } from "@pydantic/genai-prices";
import { expect, test } from "vitest";
import { z } from "zod";
import type { LlmRequest, ModelRef } from "../../src/core/llm.ts";
import type { LlmOptions } from "../../src/core/llm-options.ts";
import { GoalpostError, ModelError } from "../../src/index.ts";
import { prepareRequest } from "../../src/llm/llm-caller.ts";
import { rejection } from "../promises.ts";
import { openDesk, ScriptedModels } from "./fakes.ts";

/** Providers as they are configured by name, as if each had a key. */
async function modelsFor(names: string[], request: Partial<LlmRequest>, options: LlmOptions = {}) {
  const desk = openDesk();
  const providers = names.map((name) => ({ name, models: new ScriptedModels([]) }));
  const messages = [{ role: "user" as const, content: "hello" }];
  const prepared = await prepareRequest({ ...desk.parts, providers, options }, { messages, ...request });
  return prepared.models().map(({ provider, model }: ModelRef) => `${provider}/${model}`);
}

const VENDORS = ["openai", "anthropic", "gemini"];

test("the kind of work decides the model, over the providers in their order", async () => {
  expect(await modelsFor(VENDORS, { taskType: "classifier" })).toEqual([
    "openai/gpt-6-luna",
    "anthropic/claude-haiku-4-5",
    "gemini/gemini-2.5-flash-lite",
  ]);
  expect(await modelsFor(["anthropic", "openai"], { taskType: "coder" })).toEqual([
    "anthropic/claude-sonnet-5",
    "openai/gpt-6-sol",
  ]);
  expect(await modelsFor(["gemini"], { taskType: "architect" })).toEqual(["gemini/gemini-3-pro-preview"]);
});

test.each([undefined, "something", "toString"])(
  "work of kind %s is of medium complexity",
  async (taskType) => {
    expect(await modelsFor(["openai"], { taskType })).toEqual(["openai/gpt-6-sol"]);
  },
);

test("every model of the built-in table has a price", async () => {
  for (const [name, providerId] of [
    ["openai", "openai"],
    ["anthropic", "anthropic"],
    ["gemini", "google"],
  ] as const) {
    for (const taskType of ["parser", "planning", "qa"]) {
      const [first = ""] = await modelsFor([name], { taskType });
      const model = first.slice(name.length + 1);
      expect(calcPrice({ input_tokens: 1 }, model, { providerId })?.model.id).toBe(model);
    }
  }
});

test("the user's table comes first, as far as its providers are there", async () => {
  const models = {
    medium: [
      { provider: "mine", model: "m1" },
      { provider: "openai", model: "gpt-5.5" },
    ],
  };
  expect(await modelsFor(["openai"], {}, { models })).toEqual(["openai/gpt-5.5", "openai/gpt-6-sol"]);
  expect(await modelsFor(["openai"], { taskType: "qa" }, { models })).toEqual(["openai/gpt-6-astra"]);
});

/** The models that are asked, in order, in a task whose plan chose a model; the first so many fail. */
async function askedFor(preferred: ModelRef, request: Partial<LlmRequest> = {}, failures = 0) {
  const models = {
    medium: [{ provider: "one", model: "usual" }],
    simple: [{ provider: "one", model: "cheap" }],
  };
  const gone = Array.from({ length: failures }, () => new ModelError("not_found", "no such model"));
  const one = new ScriptedModels([...gone.map((error) => () => Promise.reject(error)), "fine"]);
  const desk = openDesk({ providers: { one }, options: { models } });
  await desk.ask({ messages: [{ role: "user", content: "hello" }], ...request }, { preferred });
  return desk.ledger.planned.map(({ model }) => model);
}

test("the model that a plan chose is asked first where the request leaves it open", async () => {
  const cheap = { provider: "one", model: "cheap" };
  expect(await askedFor(cheap)).toEqual(["cheap"]);
  expect(await askedFor(cheap, { model: "usual", provider: "one" })).toEqual(["usual"]);
});

test("where the model that a plan chose does not answer the table's is asked", async () => {
  expect(await askedFor({ provider: "one", model: "cheap" }, {}, 1)).toEqual(["cheap", "usual"]);
});

test("a model that a plan chose and that cannot be chosen here is not asked", async () => {
  expect(await askedFor({ provider: "elsewhere", model: "cheap" })).toEqual(["usual"]);
  expect(await askedFor({ provider: "one", model: "retired" })).toEqual(["usual"]);
});

test("fallbacks come after the first model, and before what else the table has", async () => {
  const fallbacks = [{ provider: "anthropic", model: "claude-opus-5-5" }];
  expect(await modelsFor(VENDORS, { fallbacks })).toEqual([
    "openai/gpt-6-sol",
    "anthropic/claude-opus-5-5",
    "anthropic/claude-sonnet-5",
    "gemini/gemini-3.8-flash",
  ]);
  expect(await modelsFor(VENDORS, { model: "gpt-6-luna", fallbacks })).toEqual([
    "openai/gpt-6-luna",
    "anthropic/claude-opus-5-5",
  ]);
});

test.each([
  ["gpt-6-luna", "openai/gpt-6-luna"],
  ["o4-mini", "openai/o4-mini"],
  ["claude-opus-5-5", "anthropic/claude-opus-5-5"],
  ["gemini-2.5-pro", "gemini/gemini-2.5-pro"],
  ["gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro"],
  ["anthropic/anything", "anthropic/anything"],
])("model %s is found without its provider", async (model, found) => {
  expect(await modelsFor(VENDORS, { model })).toEqual([found]);
});

test("a model that nobody is known for is the only provider's; of several one has to be named", async () => {
  expect(await modelsFor(["local"], { model: "meta/llama-3" })).toEqual(["local/meta/llama-3"]);
  expect(await modelsFor(["local"], { model: "gpt-6-sol" })).toEqual(["local/gpt-6-sol"]);
  expect(await modelsFor(["openai"], { model: "ft:mine" })).toEqual(["openai/ft:mine"]);
  const error = await rejection(modelsFor(["openai", "local"], { model: "llama-3" }));
  expect(error).toMatchObject({ code: "INVALID_INPUT" });
  expect(error.message).toContain("name its provider");
  expect(error.message).toContain("Configured: openai, local.");
});

test("a model of a vendor that is not configured is NO_PROVIDER", async () => {
  const error = await rejection(modelsFor(["openai"], { model: "claude-opus-5-5" }));
  expect(error).toMatchObject({ code: "NO_PROVIDER", details: { configured: ["openai"] } });
  expect(error.message).toContain("ANTHROPIC_API_KEY");
});

test("without any provider the error lists what was looked at", async () => {
  const error = await rejection(modelsFor([], {}, { providers: { openai: false } }));
  expect(error).toBeInstanceOf(GoalpostError);
  expect(error).toMatchObject({ code: "NO_PROVIDER", retryable: false });
  for (const part of ["OPENAI_API_KEY", "GOOGLE_API_KEY", "llm.providers", "Switched off: openai"]) {
    expect(error.message).toContain(part);
  }
});

test("an unknown provider is INVALID_INPUT with the names that there are, in fallbacks as well", async () => {
  const error = await rejection(modelsFor(VENDORS, { provider: "opnai" }));
  expect(error).toMatchObject({ code: "INVALID_INPUT" });
  expect(error.message).toContain('"opnai", which is unknown. Configured: openai, anthropic, gemini.');
  const fallbacks = [{ provider: "nobody", model: "x" }];
  expect(await rejection(modelsFor(VENDORS, { fallbacks }))).toMatchObject({ code: "INVALID_INPUT" });
});

test("a server of the user's needs a model or a table; models that the user made choose themselves", async () => {
  const providers = { local: { kind: "openai-compatible", baseUrl: "http://localhost" } } as const;
  const error = await rejection(modelsFor(["local"], {}, { providers }));
  expect(error.message).toContain("llm.models.medium");
  expect(await modelsFor(["mine"], {}, { providers: { mine: new ScriptedModels([]) } })).toEqual([
    "mine/auto",
  ]);
  expect(await modelsFor(["work"], {}, { providers: { work: { kind: "openai" } } })).toEqual([
    "work/gpt-6-sol",
  ]);
});

const user = { role: "user", content: "hello" } as const;

test.each([
  [{ messages: [] }, "messages is an array of 0"],
  [{ messages: [{ ...user, role: "human" }] }, "messages[0].role"],
  [{ messages: [user, { role: "user", content: " " }] }, "messages[1].content is empty"],
  [{ messages: [{ role: "system", content: "be kind" }] }, "not the system's"],
  [{ messages: [user, { role: "tool", content: "3" }] }, "messages[1].toolCallId is missing"],
  [{ messages: [{ ...user, content: "x".repeat(17_000_000) }] }, "17000000 characters"],
  [{ model: "" }, "model is empty"],
  [{ maxOutputTokens: 0 }, "maxOutputTokens is 0"],
  [{ temperature: 3 }, "temperature is 3"],
  [{ effort: "max" }, "effort"],
  [{ timeoutMs: Number.NaN }, "timeoutMs is NaN"],
  [{ maxAttempts: 0 }, "maxAttempts is 0"],
  [{ fallbacks: [{ provider: "a" }] }, "fallbacks[0]"],
  [{ tools: { "not a name": {} } }, "the name of a tool"],
  [{ tools: { a: { description: "a" } } }, "tools.a"],
  [{ tools: { a: { description: "a", args: z.date(), execute: () => 1 } } }, "tools.a.args"],
  [{ budget: { usd: -1 } }, "budget.usd is -1"],
  [{ stop: [""] }, "stop"],
  [{ onText: "print" }, "onText"],
])("what is wrong with a request is said by its field: %#", async (request, told) => {
  const error = await rejection(modelsFor(VENDORS, request as never));
  expect(error).toMatchObject({ code: "INVALID_INPUT" });
  expect(error.message).toContain(told);
});

test("requests that ask for the same have the same key, however patiently they ask", async () => {
  const desk = openDesk();
  const key = async (request: Partial<LlmRequest>) =>
    (await prepareRequest(desk.parts, { messages: [user], ...request })).key;
  const plain = await key({});
  expect(await key({ timeoutMs: 5, maxAttempts: 9, onText: () => undefined })).toBe(plain);
  expect(await key({ temperature: 0 })).not.toBe(plain);
  const tool = { description: "a", args: z.object({}), execute: () => 1 };
  const withTool = await key({ tools: { a: tool } });
  expect(await key({ tools: { a: { ...tool, execute: () => 2 } } })).toBe(withTool);
  expect(await key({ tools: { a: { ...tool, description: "b" } } })).not.toBe(withTool);
  expect(await key({ schema: z.object({ a: z.string() }) })).toBe(
    await key({ schema: z.object({ a: z.string() }) }),
  );
  expect(await key({ schema: z.object({ a: z.number() }) })).not.toBe(plain);
});
