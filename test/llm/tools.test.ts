import { expect, test } from "vitest";
import { z } from "zod";
import type { LlmTool } from "../../src/core/llm.ts";
import { rejection } from "../promises.ts";
import { fakeTask, openScripted, toolCall, turns } from "./fakes.ts";

const add: LlmTool<{ a: number; b: number }> = {
  description: "adds",
  args: z.object({ a: z.number(), b: z.number() }),
  execute: ({ a, b }) => ({ sum: a + b }),
};

test("calls of tools are carried out and answered until the model is done", async () => {
  const desk = openScripted({ toolCalls: [toolCall("add", { a: 1, b: 2 })] }, "It is 3.");
  const result = await desk.ask({ tools: { add } });
  expect(result).toMatchObject({ response: "It is 3.", usage: { calls: 2 } });
  expect(desk.models.requests[0]?.tools).toMatchObject([
    { name: "add", description: "adds", parameters: { type: "object", required: ["a", "b"] } },
  ]);
  expect(result.messages).toMatchObject([
    { role: "assistant", toolCalls: [{ name: "add" }] },
    { role: "tool", toolCallId: "call_add", content: '{"sum":3}' },
    { role: "assistant", content: "It is 3." },
  ]);
  expect(result.messages[1]).not.toHaveProperty("isError");
});

test("several calls of one turn are carried out at the same time, and answered in their order", async () => {
  let atOnce = 0;
  let most = 0;
  const wait: LlmTool<{ n: number }> = {
    description: "waits",
    args: z.object({ n: z.number() }),
    execute: async ({ n }) => {
      most = Math.max(most, ++atOnce);
      await turns(4 - n);
      atOnce -= 1;
      return n;
    },
  };
  const calls = [1, 2, 3].map((n) => toolCall("wait", { n }, `c${n}`));
  const desk = openScripted({ toolCalls: calls }, "done");
  const { messages } = await desk.ask({ tools: { wait } });
  expect(most).toBe(3);
  expect(messages.slice(1, 4).map(({ content, toolCallId }) => [content, toolCallId])).toEqual([
    ["1", "c1"],
    ["2", "c2"],
    ["3", "c3"],
  ]);
});

test.each([
  ["an unknown tool", toolCall("sub", {}), 'there is no tool "sub"; there are: add, fail'],
  ["args that do not fit", toolCall("add", { a: "1" }), "the arguments do not fit: a: "],
  ["args that are no JSON", toolCall("add", null), "the arguments are not valid JSON"],
  ["a tool that throws", toolCall("fail", {}), "no such file"],
])("the model is told of %s", async (_, call, told) => {
  const fail: LlmTool = {
    description: "fails",
    args: z.object({}),
    execute: () => {
      throw new Error("no such file");
    },
  };
  const desk = openScripted({ toolCalls: [call] }, "I see.");
  const { messages } = await desk.ask({ tools: { add, fail } });
  expect(messages[1]).toMatchObject({ role: "tool", isError: true });
  expect(messages[1]?.content).toContain(told);
});

test("a tool has its time; it is told by its signal, and the model by an error", async () => {
  let signal: AbortSignal | undefined;
  const slow: LlmTool = {
    description: "slow",
    args: z.object({}),
    timeoutMs: 2000,
    execute: (_, ctx) => {
      signal = ctx.signal;
      return new Promise(() => undefined);
    },
  };
  const desk = openScripted({ toolCalls: [toolCall("slow", {})] }, "Pity.");
  const asked = desk.ask({ tools: { slow } });
  await turns();
  desk.clock.advance(2000);
  expect((await asked).messages[1]).toMatchObject({
    isError: true,
    content: "the tool did not end within 2000 ms",
  });
  expect(signal?.aborted).toBe(true);
});

test("an abort ends the request in the middle of a tool, and no model is asked any more", async () => {
  const abort = new AbortController();
  const slow: LlmTool = {
    description: "slow",
    args: z.object({}),
    execute: () => new Promise(() => undefined),
  };
  const desk = openScripted({ toolCalls: [toolCall("slow", {})] }, "never");
  const asked = rejection(desk.ask({ tools: { slow } }, { signal: abort.signal }));
  await turns();
  abort.abort(new Error("enough"));
  expect(await asked).toMatchObject({ message: "enough" });
  expect(desk.models.calls).toBe(1);
});

test("a long output is cut, and one that is no JSON is an error for the model", async () => {
  const tools: Record<string, LlmTool> = {
    long: { description: "long", args: z.object({}), execute: () => "x".repeat(60_000) },
    odd: { description: "odd", args: z.object({}), execute: () => 10n },
  };
  const desk = openScripted({ toolCalls: [toolCall("long", {}), toolCall("odd", {})] }, "done");
  const { messages } = await desk.ask({ tools });
  expect(messages[1]?.content).toMatch(/x\n\(cut here: it has 60000 characters\)$/);
  expect(messages[1]?.content.length).toBeLessThan(50_100);
  expect(messages[2]).toMatchObject({ isError: true });
});

test("after maxToolRounds the model may use no more of them; if it insists, it is told once, then it is over", async () => {
  const ask = { toolCalls: [toolCall("add", { a: 1, b: 1 })] };
  const desk = openScripted(ask, ask, "fine, 2");
  const result = await desk.ask({ tools: { add }, maxToolRounds: 1 });
  expect(result.response).toBe("fine, 2");
  expect(desk.models.requests.map(({ toolChoice }) => toolChoice)).toEqual([undefined, "none", "none"]);
  expect(result.messages[3]).toMatchObject({
    isError: true,
    content: expect.stringContaining("no more tools"),
  });
  const stubborn = openScripted(ask);
  const error = await rejection(stubborn.ask({ tools: { add }, maxToolRounds: 2 }));
  expect(error).toMatchObject({ code: "RESPONSE_INVALID", details: { tools: ["add"] } });
  expect(error.message).toContain("raise maxToolRounds");
  expect(stubborn.models.calls).toBe(4);
});

test("a schema and tools go together", async () => {
  const desk = openScripted({ toolCalls: [toolCall("add", { a: 1, b: 2 })] }, '{"sum":"3"}', '{"sum":3}');
  const { parsed, usage } = await desk.ask({ tools: { add }, schema: z.object({ sum: z.number() }) });
  expect(parsed).toEqual({ sum: 3 });
  expect(usage.calls).toBe(3);
});

test("in a task a call that was carried out is not carried out again, nor its turn paid for", async () => {
  const memory = new Map<string, string>();
  let carriedOut = 0;
  const count: LlmTool = { description: "counts", args: z.object({}), execute: () => ++carriedOut };
  const { ModelError } = await import("../../src/index.ts");
  const desk = openScripted(
    { toolCalls: [toolCall("count", {})] },
    new ModelError("auth", "key expired"),
    "It is 1.",
  );
  await rejection(desk.ask({ tools: { count } }, { task: fakeTask(memory) }));
  const { messages } = await desk.ask({ tools: { count } }, { task: fakeTask(memory) });
  expect(carriedOut).toBe(1);
  expect(desk.models.calls).toBe(3);
  expect(messages[1]?.content).toBe("1");
});

const deploy = (calls: unknown[]): LlmTool => ({
  description: "deploys",
  args: z.object({ to: z.string() }),
  sideEffect: true,
  execute: (args) => {
    calls.push(args);
    return "deployed";
  },
});

test("a tool with a side effect is carried out with the args that were approved", async () => {
  const calls: unknown[] = [];
  const desk = openScripted({ toolCalls: [toolCall("deploy", { to: "prod" })] }, "done");
  const task = { ...fakeTask(), approve: async () => ({ approved: true as const, args: { to: "staging" } }) };
  await desk.ask({ tools: { deploy: deploy(calls) } }, { task });
  expect(calls).toEqual([{ to: "staging" }]);
});

test("a rejection is told to the model with its reason", async () => {
  const calls: unknown[] = [];
  const desk = openScripted({ toolCalls: [toolCall("deploy", { to: "prod" })] }, "Understood.");
  const task = {
    ...fakeTask(),
    approve: async () => ({ approved: false as const, by: "Ann", reason: "no" }),
  };
  const { messages } = await desk.ask({ tools: { deploy: deploy(calls) } }, { task });
  expect(messages[1]).toMatchObject({ isError: true, content: "Ann does not allow this call: no" });
  expect(calls).toEqual([]);
});

test("outside of tasks a tool with a side effect is refused before anything is asked", async () => {
  const desk = openScripted("never");
  expect(await rejection(desk.ask({ tools: { deploy: deploy([]) } }))).toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringContaining("tools.deploy"),
  });
  expect(desk.models.calls).toBe(0);
});
