import { describe, expect, onTestFinished, test } from "vitest";
import {
  type ModelCallContext,
  ModelError,
  type ModelRequest,
  type TokenUsage,
} from "../../src/core/model.ts";
import {
  always,
  FakeClock,
  openTestGoalpost,
  type ScriptedModel,
  scriptedModel,
  when,
  whenever,
} from "../../src/testing/index.ts";
import { borrowPglite } from "../contract/shared-pglite.ts";

function request(text: string, more: Partial<ModelRequest> = {}): ModelRequest {
  return { model: "m", messages: [{ role: "user", content: text }], maxOutputTokens: 100, ...more };
}

interface Told {
  readonly pieces: string[];
  readonly usages: TokenUsage[];
}

function context(more: Partial<ModelCallContext> = {}): ModelCallContext & Told {
  const usages: TokenUsage[] = [];
  return {
    signal: new AbortController().signal,
    timeoutMs: 1000,
    callId: "call-1",
    onUsage: (usage) => usages.push(usage),
    ...more,
    pieces: [],
    usages,
  };
}

async function ask(model: ScriptedModel, text: string, ctx = context()): Promise<string> {
  return (await model.generate(request(text), ctx)).text;
}

function thrown(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a scripted model", () => {
  test("answers with the list in order: texts, JSON, and what functions return", async () => {
    const model = scriptedModel([
      "one",
      { sentiment: "good" },
      { json: { text: "two" } },
      [1, 2],
      ({ messages }) => `you said ${messages[0]?.content}`,
    ]);
    const answers: string[] = [];
    for (let call = 0; call < 5; call++) {
      answers.push(await ask(model, `call ${call}`));
    }
    expect(answers).toEqual(["one", '{"sentiment":"good"}', '{"text":"two"}', "[1,2]", "you said call 4"]);
    model.assertComplete();
  });

  test("gives answers of rules to the calls that fit, wherever they come, and the list to the others", async () => {
    const model = scriptedModel([
      "first",
      when("weather", "rain", "sun"),
      whenever(/^again/g, "as often as you like"),
      when(({ tools }) => tools !== undefined, "with tools"),
      "second",
    ]);
    expect(await ask(model, "the weather?")).toBe("rain");
    expect(await ask(model, "hello")).toBe("first");
    expect((await model.generate(request("x", { tools: [] }), context())).text).toBe("with tools");
    expect(await ask(model, "the weather?")).toBe("sun");
    expect(await ask(model, "the weather?")).toBe("second");
    expect(await ask(model, "again")).toBe("as often as you like");
    expect(await ask(model, "again")).toBe("as often as you like");
    model.assertComplete();
  });

  test("serves calls at once in the order in which they came", async () => {
    const model = scriptedModel([async () => "one", "two", "three"]);
    const asked = ["a", "b", "c"].map((text) => ask(model, text));
    expect(await Promise.all(asked)).toEqual(["one", "two", "three"]);
  });

  test("asks for tools, refuses and stops as it is told", async () => {
    const model = scriptedModel([
      {
        toolCalls: [
          { name: "search", args: { q: "x" } },
          { id: "mine", name: "stop" },
        ],
      },
      { refusal: "no" },
      { text: "cut", finishReason: "length", model: "served", costUsd: 0.25 },
    ]);
    expect(await model.generate(request(""), context())).toMatchObject({
      finishReason: "tool_calls",
      toolCalls: [
        { id: "call_1", name: "search", args: { q: "x" } },
        { id: "mine", name: "stop", args: {} },
      ],
    });
    expect(await model.generate(request(""), context())).toMatchObject({
      finishReason: "refusal",
      refusal: "no",
    });
    expect(await model.generate(request(""), context())).toMatchObject({
      finishReason: "length",
      model: "served",
      costUsd: 0.25,
    });
  });

  test("counts what is used, the same each time, unless the script says it", async () => {
    const model = scriptedModel([
      "12345678",
      "12345678",
      { text: "x", usage: { inputTokens: 900, cacheReadTokens: 100 } },
      { text: "x", usage: null },
    ]);
    const usages: (TokenUsage | null)[] = [];
    const told: number[] = [];
    for (let call = 0; call < 4; call++) {
      const ctx = context();
      usages.push((await model.generate(request("a".repeat(40)), ctx)).usage);
      told.push(ctx.usages.length);
    }
    expect(usages[0]).toMatchObject({ inputTokens: 10, outputTokens: 2, estimated: false });
    expect(usages[1]).toEqual(usages[0]);
    expect(usages[2]).toMatchObject({ inputTokens: 900, cacheReadTokens: 100, outputTokens: 1 });
    expect(usages[3]).toBeNull();
    expect(told).toEqual([1, 1, 1, 0]);
  });

  test("streams the text in pieces that make up the whole, the usage first and last", async () => {
    const text = "  All good\n things  come ";
    const pieces: string[] = [];
    const ctx = context({ onText: (piece) => pieces.push(piece) });
    const { usage } = await scriptedModel([text]).generate(request("x"), ctx);
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.join("")).toBe(text);
    expect(ctx.usages[0]?.outputTokens).toBe(1);
    expect(ctx.usages.at(-1)).toEqual(usage);
  });

  test("fails with an error of a kind, or with the one it is given", async () => {
    const own = new ModelError("quota", "no more");
    const model = scriptedModel([{ error: "rate_limited", status: 429, retryAfterMs: 2000 }, own]);
    expect(await thrown(() => ask(model, "x"))).toMatchObject({
      kind: "rate_limited",
      status: 429,
      retryAfterMs: 2000,
      mayBeBilled: false,
    });
    expect(await thrown(() => ask(model, "x"))).toBe(own);
  });

  test("breaks off in the middle of a stream, and what it wrote may be billed", async () => {
    const pieces: string[] = [];
    const ctx = context({ onText: (piece) => pieces.push(piece) });
    const model = scriptedModel([{ text: "half of", error: "network", usage: {} }]);
    expect(await thrown(() => model.generate(request("x"), ctx))).toMatchObject({
      kind: "network",
      mayBeBilled: true,
    });
    expect(pieces.join("")).toBe("half of");
    expect(ctx.usages.at(-1)?.outputTokens).toBe(2);
  });

  test("waits by its clock", async () => {
    const clock = new FakeClock();
    const model = scriptedModel([{ text: "late", delayMs: 500 }], { clock });
    let answer: string | undefined;
    const asked = ask(model, "x").then((text) => {
      answer = text;
    });
    await Promise.resolve();
    clock.advance(499);
    await new Promise(setImmediate);
    expect(answer).toBeUndefined();
    clock.advance(1);
    await asked;
    expect(answer).toBe("late");
  });

  test("gives up when the call's time is over", async () => {
    const clock = new FakeClock();
    const model = scriptedModel([{ text: "too late", delayMs: 5000 }], { clock });
    const asked = thrown(() => ask(model, "x"));
    await Promise.resolve();
    clock.advance(1000);
    expect(await asked).toMatchObject({ kind: "timeout", mayBeBilled: true });
  });

  test("stops when it is aborted: before, while it waits and while it writes", async () => {
    const clock = new FakeClock();
    const model = scriptedModel(["never", { text: "never", delayMs: 500 }, "a b c"], { clock });
    const reason = new Error("enough");
    expect(await thrown(() => ask(model, "x", context({ signal: AbortSignal.abort(reason) })))).toMatchObject(
      {
        kind: "aborted",
        cause: reason,
        mayBeBilled: false,
      },
    );
    const waiting = new AbortController();
    const asked = thrown(() => ask(model, "x", context({ signal: waiting.signal })));
    await Promise.resolve();
    waiting.abort(reason);
    expect(await asked).toMatchObject({ kind: "aborted", mayBeBilled: true });
    const writing = new AbortController();
    const pieces: string[] = [];
    const onText = (piece: string): void => {
      pieces.push(piece);
      writing.abort(reason);
    };
    expect(await thrown(() => ask(model, "x", context({ signal: writing.signal, onText })))).toMatchObject({
      kind: "aborted",
    });
    expect(pieces).toEqual(["a"]);
  });

  test("records every call as it was, whatever is changed later", async () => {
    const model = scriptedModel([always("ok")]);
    const messages = [{ role: "user" as const, content: "before" }];
    await model.generate({ ...request(""), messages }, context({ onText: () => undefined, callId: "c7" }));
    messages.push({ role: "user", content: "after" });
    expect(model.calls).toHaveLength(1);
    expect(model.calls[0]).toMatchObject({ number: 1, callId: "c7", streamed: true, timeoutMs: 1000 });
    expect(model.calls[0]?.request.messages).toEqual([{ role: "user", content: "before" }]);
    expect(() => Object.assign(model.calls[0]?.request.messages[0] ?? {}, { content: "" })).toThrow(
      TypeError,
    );
  });

  test("refuses a call that the script does not know, with its number, what is left, and a part of it", async () => {
    const model = scriptedModel(["one", when("weather", "rain")]);
    await ask(model, "x");
    const error = await thrown(() => ask(model, `tell me ${"more ".repeat(100)}`));
    expect(error).toMatchObject({ kind: "bad_request" });
    expect(String(error)).toMatch(/call 2 was not expected.*1 of 1 of when\("weather"\).*tell me more/);
    expect(String(error).length).toBeLessThan(400);
    expect(() => model.assertComplete()).toThrow(
      /not used: 1 of 1 of when\("weather"\); call 2 was not expected/,
    );
  });

  test("says which answers were not used", async () => {
    const model = scriptedModel(["one", { plan: true }, when(/x/, "a", "b")]);
    await ask(model, "hello");
    expect(() => model.assertComplete()).toThrow(/answer 2 of 2 \(.*plan.*\), 2 of 2 of when\(\/x\/\)/);
  });

  test("refuses an object that is half an answer and half something else", async () => {
    expect(await thrown(() => ask(scriptedModel([{ text: "a", plan: 1 }]), "x"))).toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining("json"),
    });
    expect(() => when("x")).toThrow(/at least one answer/);
    expect(() => scriptedModel("hello" as never)).toThrow(/a list of answers or a function/);
  });

  test("can be a function alone, and stands for the provider that it is named", async () => {
    const model = scriptedModel((_, { number }) => `call ${number}`, { provider: "acme", structured: false });
    expect([await ask(model, ""), await ask(model, "")]).toEqual(["call 1", "call 2"]);
    expect(model).toMatchObject({ provider: "acme", structured: false });
    model.assertComplete();
  });
});

test("a test client takes the script of a model", async () => {
  const { db, giveBack } = await borrowPglite();
  onTestFinished(giveBack);
  await using opened = await openTestGoalpost({ model: ["x"], database: db });
  expect(opened.gp.instanceId).toBeTypeOf("string");
});
