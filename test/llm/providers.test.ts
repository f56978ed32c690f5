import { describe, expect, test } from "vitest";
import type { LlmOptions } from "../../src/core/llm-options.ts";
import { type LogFields, silentLogger } from "../../src/core/logger.ts";
import type { ChatModels } from "../../src/core/model.ts";
import { type LlmEnvironment, type Provider, readProviders } from "../../src/llm/providers.ts";

const read = (providers?: LlmOptions["providers"], env: LlmEnvironment = {}): readonly Provider[] =>
  readProviders(providers === undefined ? undefined : { providers }, env, silentLogger);

const names = (all: readonly Provider[]): string[] => all.map(({ name }) => name);

const ALL_KEYS = { OPENAI_API_KEY: "a", ANTHROPIC_API_KEY: "b", GEMINI_API_KEY: "c" };

const OWN: ChatModels = {
  provider: "mine",
  structured: false,
  generate: () => Promise.reject(new Error("not called")),
};

describe("the providers", () => {
  test("are those whose key is in the environment, in the order of the vendors", () => {
    expect(names(read(undefined, ALL_KEYS))).toEqual(["openai", "anthropic", "gemini"]);
    expect(names(read(undefined, { ANTHROPIC_API_KEY: "b" }))).toEqual(["anthropic"]);
    expect(names(read(undefined, { GOOGLE_API_KEY: "g" }))).toEqual(["gemini"]);
    expect(names(read(undefined, { OPENAI_API_KEY: " " }))).toEqual([]);
  });

  test("come in the order of the options, those that are not named after them, those that are false never", () => {
    expect(names(read({ anthropic: {}, openai: false }, ALL_KEYS))).toEqual(["anthropic", "gemini"]);
    expect(names(read({ gemini: {}, openai: {} }, ALL_KEYS))).toEqual(["gemini", "openai", "anthropic"]);
  });

  test("have the kind of their name, or openai-compatible", () => {
    const all = read({
      groq: { baseUrl: "https://g.example/v1", apiKey: "k" },
      openai: { apiKey: "k" },
      mine: OWN,
    });
    expect(all.map(({ name, kind }) => [name, kind])).toEqual([
      ["groq", "openai-compatible"],
      ["openai", "openai"],
      ["mine", "custom"],
    ]);
    expect(all.at(-1)?.models).toBe(OWN);
  });

  test("of one's own servers need no key", () => {
    expect(names(read({ local: { baseUrl: "http://localhost:11434/v1" } }))).toEqual(["local"]);
  });

  test("are told with the host only when the environment names one", () => {
    const lines: LogFields[] = [];
    const log = { ...silentLogger, info: (fields: LogFields) => lines.push(fields) };
    const env = { ...ALL_KEYS, OPENAI_BASE_URL: "https://me:secret@proxy.example/v1" };
    readProviders(undefined, env, log);
    expect(lines).toEqual([{ provider: "openai", host: "proxy.example" }]);
  });

  test.each([
    [{ "a/b": {} }, "without"],
    [{ groq: {} }, "needs a baseUrl"],
    [{ openai: { apikey: "x" } }, '"apikey"'],
    [{ openai: { kind: "azure" } }, "llm.providers.openai.kind"],
    [{ openai: { apiKey: "" } }, "llm.providers.openai.apiKey"],
    [{ openai: { baseUrl: "localhost:1234" } }, "http or https"],
    [{ openai: { api: "completions" } }, '"responses" or "chat"'],
    [{ anthropic: { api: "chat", apiKey: "k" } }, "OpenAI's kinds only"],
    [{ openai: { headers: { "bad name": "x" } } }, "llm.providers.openai.headers"],
    [{ openai: { headers: { a: 1 } } }, "llm.providers.openai.headers"],
    [{ openai: { fetch: "x" } }, "llm.providers.openai.fetch"],
    [{ openai: null }, "llm.providers.openai"],
    [{ openai: "sk-secret" }, "llm.providers.openai"],
    [{ mine: { generate: () => 1 } }, "structured"],
    ["openai", "llm.providers must be an object"],
  ])("%j are refused", (providers, part) => {
    const refused = expect(() => read(providers as LlmOptions["providers"]));
    refused.toThrow(
      expect.objectContaining({ code: "INVALID_INPUT", message: expect.stringContaining(part) }),
    );
    refused.not.toThrow("sk-secret");
  });

  test("whose URL in the environment makes no sense are refused, without showing it", () => {
    expect(() => read(undefined, { OPENAI_API_KEY: "k", OPENAI_BASE_URL: "nonsense" })).toThrow(
      /OPENAI_BASE_URL must/,
    );
  });
});
