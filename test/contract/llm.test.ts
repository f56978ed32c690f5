import { expect, test } from "vitest";
import { z } from "zod";
import { type ChatModels, LlmRequest, type LlmTool, ModelError, workflow } from "../../src/index.ts";
import { never, ScriptedModels, toolCall } from "../llm/fakes.ts";
import { defer, rejection, untilAborted } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const AGAIN = { retry: { baseMs: 0 } };
const messages = [{ role: "user", content: "What is it?" }] as const;
const llm = (models: ChatModels) => ({ llm: { providers: { scripted: models } } });

describeOnEachBackend("ctx.llm", (backend) => {
  test("a step that fails after a paid call does not pay again", async () => {
    const models = new ScriptedModels(["one", "two"]);
    const t = await backend.client(llm(models));
    const w = workflow("paid_once").step("ask", AGAIN, async (_, ctx) => {
      const { response, usage } = await ctx.llm({ messages });
      if (ctx.attempt < 3) {
        throw new Error("after the call");
      }
      return { response, calls: usage.calls };
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: { response: "one", calls: 1 } });
    expect(models.calls).toBe(1);
  });

  test("a changed prompt is a new call; the same one made again in one try is, too", async () => {
    const models = new ScriptedModels(["one", "two", "three"]);
    const t = await backend.client(llm(models));
    const w = workflow("told_apart").step("ask", AGAIN, async (_, ctx) => {
      const twice = await Promise.all([ctx.llm({ messages }), ctx.llm({ messages })]);
      const other = await ctx.llm({ messages: [{ role: "user", content: `${ctx.attempt}` }] });
      if (ctx.attempt === 1) {
        throw new Error("again");
      }
      return [...twice, other].map(({ response }) => response);
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output.ask.toSorted()).toEqual(["one", "three", "two"]);
    expect(models.calls).toBe(4);
  });

  test("with a key the answer is the key's, whatever is asked", async () => {
    const models = new ScriptedModels(["one", "two"]);
    const t = await backend.client(llm(models));
    const w = workflow("by_key").step("ask", AGAIN, async (_, ctx) => {
      const content = `try ${ctx.attempt}`;
      const ask = () => ctx.llm({ messages: [{ role: "user", content }] }, { key: "name" });
      const both = await Promise.all([ask(), ask()]);
      if (ctx.attempt === 1) {
        throw new Error("again");
      }
      return both.map(({ response }) => response);
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: ["one", "one"] });
    expect(models.calls).toBe(1);
  });

  test("what the schema makes of an answer is the same after a retry", async () => {
    const models = new ScriptedModels(['{"at":"2026-01-01"}']);
    const t = await backend.client(llm(models));
    const seen: unknown[] = [];
    const schema = z.object({ at: z.string().transform((text) => new Date(text)) });
    const w = workflow("transformed").step("ask", AGAIN, async (_, ctx) => {
      seen.push((await ctx.llm({ messages, schema })).parsed.at);
      if (ctx.attempt === 1) {
        throw new Error("again");
      }
    });
    await t.gp.start(w, null);
    await t.settle();
    expect(seen).toEqual([new Date("2026-01-01"), new Date("2026-01-01")]);
    expect(models.calls).toBe(1);
  });

  test("an answer with zero characters and half characters is kept as it is", async () => {
    const text = "a\u0000b\ud800";
    const models = new ScriptedModels([text]);
    const t = await backend.client(llm(models));
    const w = workflow("odd_answer").step("ask", AGAIN, async (_, ctx) => {
      const { response } = await ctx.llm({ messages });
      if (ctx.attempt === 1) {
        throw new Error("again");
      }
      return response;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await t.gp.runs.get(handle.runId)).tasks[0]).toMatchObject({ attempts: 2, output: text });
  });

  test("a worker that takes a task over has the answers of the one before", async () => {
    const models = new ScriptedModels([{ toolCalls: [toolCall("look", {})] }, "seen", "again"]);
    const first = await backend.client(llm(models));
    const second = await backend.client({ ...llm(models), clock: first.clock });
    let looks = 0;
    const look: LlmTool = { description: "looks", args: z.object({}), execute: () => ++looks };
    const asked = defer();
    let hold = true;
    const w = workflow("taken_over").step("ask", async (_, ctx) => {
      const { response } = await ctx.llm({ messages, tools: { look } });
      if (hold) {
        hold = false;
        asked.resolve();
        await untilAborted(ctx.signal);
      }
      return response;
    });
    first.gp.register({ workflows: [w] });
    second.gp.register({ workflows: [w] });
    const handle = await second.gp.start(w, null, { execution: "distributed" });
    const ticking = first.tick();
    await asked.promise;
    await first.close();
    await ticking;
    await second.settle();
    expect((await handle.result()).output).toEqual({ ask: "seen" });
    expect([models.calls, looks]).toEqual([2, 1]);
  });

  test("a map asks for every item apart", async () => {
    const models = new ScriptedModels([(request) => request.messages[0]?.content ?? ""]);
    const t = await backend.client(llm(models));
    const w = workflow<number[]>("items").map("ask", async (item, ctx) => {
      const { response } = await ctx.llm({ messages: [{ role: "user", content: `${item % 2}` }] });
      return response;
    });
    const handle = await t.gp.start(w, [1, 2, 3]);
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: ["1", "0", "1"] });
    expect(models.calls).toBe(3);
  });

  test("a step with a timeout of its own has that, and its call as well", async () => {
    const asked = defer();
    const models = new ScriptedModels([
      (request, ctx) => {
        asked.resolve();
        return never(request, ctx);
      },
    ]);
    const t = await backend.client(llm(models));
    const options = { timeoutMs: 5000, maxAttempts: 1 };
    const w = workflow("impatient").step(
      "ask",
      options,
      async (_, ctx) => (await ctx.llm({ messages })).response,
    );
    const handle = await t.gp.start(w, null);
    const ticking = t.tick();
    await asked.promise;
    t.clock.advance(5000);
    await ticking;
    expect(await rejection(handle.result())).toMatchObject({
      cause: { code: expect.stringMatching(/STEP_TIMEOUT|PROVIDER_ERROR/) },
    });
  });

  test("an error that another try would meet fails the task at once, with its details", async () => {
    const models = new ScriptedModels([new ModelError("auth", "no such key", { status: 401 })]);
    const t = await backend.client(llm(models));
    const w = workflow("wrong_key").step("ask", async (_, ctx) => (await ctx.llm({ messages })).response);
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: { attempt: 1 },
      cause: { code: "PROVIDER_ERROR", details: { kind: "auth", status: 401 } },
    });
  });

  test("without providers the task fails with NO_PROVIDER, not to be tried again", async () => {
    const t = await backend.client({
      llm: { providers: { openai: false, anthropic: false, gemini: false } },
    });
    const w = workflow("keyless").step("ask", async (_, ctx) => (await ctx.llm({ messages })).response);
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: { attempt: 1 },
      cause: { code: "NO_PROVIDER" },
    });
  });

  test("a decomposer is given the answers that it got before", async () => {
    const models = new ScriptedModels(["a", "b"]);
    const t = await backend.client(llm(models));
    let plans = 0;
    const handle = await t.gp.startGoal(
      "planned by a model",
      async (_, ctx) => {
        const { response } = await ctx.llm({ messages });
        plans += 1;
        if (plans === 1) {
          throw new Error("once more");
        }
        return [{ id: response, description: response }];
      },
      { a: () => 1 },
    );
    await t.settle();
    t.clock.advance(10_000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: 1 });
    expect(models.calls).toBe(1);
    const graph = await t.gp.decomposeGoal(
      "planned alone",
      async (_, ctx) => [{ id: (await ctx.llm({ messages })).response, description: "" }],
      { b: () => 1 },
    );
    expect(graph.tasks[0]?.id).toBe("b");
  });

  test("a wait beside a call does not cut it off", async () => {
    const answer = defer<string>();
    const models = new ScriptedModels([() => answer.promise]);
    const t = await backend.client(llm(models));
    const w = workflow("beside").step("ask", async (_, ctx) => {
      const [{ response }] = await Promise.all([ctx.llm({ messages }), ctx.sleep(1000)]);
      return response;
    });
    const handle = await t.gp.start(w, null);
    const ticking = t.tick();
    await new Promise((resolve) => setTimeout(resolve, 50));
    answer.resolve("there");
    await ticking;
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: "there" });
    expect(models.calls).toBe(1);
  });
});

describeOnEachBackend("tools that need approval", (backend) => {
  const scene = async (script: ConstructorParameters<typeof ScriptedModels>[0]) => {
    const models = new ScriptedModels(script);
    const t = await backend.client(llm(models));
    const deployed: unknown[] = [];
    const deploy: LlmTool<{ to: string }> = {
      description: "deploys",
      args: z.object({ to: z.string() }),
      sideEffect: true,
      execute: (args) => {
        deployed.push(args);
        return "done";
      },
    };
    const w = workflow("deploys").step("ask", async (_, ctx) => {
      const { response } = await ctx.llm({ messages, tools: { deploy } });
      return response;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const waits = async () => (await t.gp.runs.get(handle.runId)).tasks[0]?.waitingFor ?? [];
    return { t, runs: t.gp.runs, handle, deployed, models, waits };
  };
  const ask = { toolCalls: [toolCall("deploy", { to: "prod\u0000" })] };

  test("a call waits without a slot until it is approved, and shows the tool and its args", async () => {
    const { t, runs, handle, deployed, models, waits } = await scene([ask, "deployed"]);
    expect(await waits()).toMatchObject([
      { kind: "approval", name: "deploy", call: { tool: "deploy", args: { to: "prod\u0000" } } },
    ]);
    expect((await runs.get(handle.runId)).tasks[0]).toMatchObject({ status: "suspended", approval: null });
    expect(deployed).toEqual([]);
    await runs.approve(handle.runId, "ask", { by: "Ann" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: "deployed" });
    expect(deployed).toEqual([{ to: "prod\u0000" }]);
    expect(models.calls).toBe(2);
  });

  test("args given with the approval replace the model's", async () => {
    const { t, runs, handle, deployed } = await scene([ask, "deployed"]);
    await runs.approve(handle.runId, "ask", { by: "Ann", args: { to: "staging" } });
    await t.settle();
    await handle.result();
    expect(deployed).toEqual([{ to: "staging" }]);
  });

  test("a rejection is told to the model with its reason, and the task goes on", async () => {
    const { t, runs, handle, deployed, models } = await scene([ask, "as you wish"]);
    await runs.reject(handle.runId, "ask", { by: "Bob", reason: "not on a Friday" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: "as you wish" });
    expect(deployed).toEqual([]);
    expect(models.requests[1]?.messages.at(-1)).toMatchObject({
      isError: true,
      content: "Bob does not allow this call: not on a Friday",
    });
  });

  test("of several open calls one has to be named; each is decided by itself", async () => {
    const both = {
      toolCalls: [toolCall("deploy", { to: "a" }, "1"), toolCall("deploy", { to: "b" }, "2")],
    };
    const { t, runs, handle, deployed, models, waits } = await scene([both, "half of it"]);
    const error = await rejection(runs.approve(handle.runId, "ask", { by: "Ann" }));
    expect(error).toMatchObject({ code: "INVALID_STATE" });
    expect(error.message).toContain("2 calls of tools; say which one by `call`");
    const callTo = async (to: string) =>
      (await waits()).find(({ call }) => (call?.args as { to?: string } | undefined)?.to === to)?.call?.id;
    const second = await callTo("b");
    await runs.approve(handle.runId, "ask", { by: "Ann", call: await callTo("a") });
    await t.settle();
    expect(deployed).toEqual([{ to: "a" }]);
    expect(await waits()).toMatchObject([{ call: { id: second } }]);
    await runs.reject(handle.runId, "ask", { by: "Bob", reason: "no" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: "half of it" });
    expect(deployed).toEqual([{ to: "a" }]);
    expect(models.calls).toBe(2);
    const late = await rejection(runs.approve(handle.runId, "ask", { by: "Ann", call: second }));
    expect(late).toMatchObject({ code: "INVALID_STATE", details: { by: "Bob" } });
  });

  test("a call of an item of a map can be approved", async () => {
    const models = new ScriptedModels([{ toolCalls: [toolCall("act", {})] }, "done"]);
    const t = await backend.client(llm(models));
    const act: LlmTool = { description: "acts", args: z.object({}), sideEffect: true, execute: () => 1 };
    const w = workflow<number[]>("acting_items").map("ask", async (_, ctx) => {
      return (await ctx.llm({ messages, tools: { act } })).response;
    });
    const handle = await t.gp.start(w, [1]);
    await t.settle();
    await t.gp.runs.approve(handle.runId, "ask", { by: "Ann" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: ["done"] });
  });

  test("a task with no open call says so", async () => {
    const { runs, handle } = await scene(["no tools needed"]);
    expect(await rejection(runs.approve(handle.runId, "ask", { by: "Ann", call: "x" }))).toMatchObject({
      code: "INVALID_STATE",
    });
  });
});

describeOnEachBackend("LlmRequest", (backend) => {
  test("runs in four steps; its result is published and returned", async () => {
    const models = new ScriptedModels(["It is a test."]);
    const t = await backend.client(llm(models));
    const handle = await t.gp.start(LlmRequest, { requestId: "r1", taskType: "parser", messages });
    await t.settle();
    const { publish_result: output } = (await handle.result()).output;
    expect(output).toMatchObject({
      requestId: "r1",
      response: "It is a test.",
      parsed: null,
      provider: "scripted",
      model: "auto",
      tokensUsed: 110,
      usage: { inputTokens: 100, outputTokens: 10, calls: 1 },
      timestamp: "2026-01-01T00:00:00.000Z",
    });
    expect(output).toHaveProperty("costCents");
    const { tasks } = await t.gp.runs.get(handle.runId);
    expect(tasks.map(({ id }) => id)).toEqual([
      "receive_request",
      "select_model",
      "call_llm_provider",
      "publish_result",
    ]);
    const published = await t.gp.channels.history("llm_result", { limit: 1000 });
    expect(published.map(({ payload }) => payload)).toContainEqual(output);
  });

  test("a request that is enqueued twice under one id is asked once", async () => {
    const models = new ScriptedModels(["one", "two"]);
    const t = await backend.client(llm(models));
    const requestId = `twice ${Math.random()}`;
    const ids = [
      await t.gp.llm.enqueue({ requestId, messages }),
      await t.gp.llm.enqueue({ requestId, messages }),
    ];
    await t.settle();
    expect(ids).toEqual([requestId, requestId]);
    expect(await t.gp.llm.result(requestId)).toMatchObject({ requestId, response: "one" });
    expect(models.calls).toBe(1);
    expect(
      await rejection(t.gp.llm.enqueue({ requestId, messages: [{ role: "user", content: "else" }] })),
    ).toMatchObject({ code: "INVALID_STATE" });
  });

  test("an enqueued request may have a schema, as JSON Schema", async () => {
    const t = await backend.client(llm(new ScriptedModels(['{"n":"1"}', '{"n":1}'])));
    const schema = z.toJSONSchema(z.object({ n: z.number() }), { io: "input" }) as Record<string, unknown>;
    const id = await t.gp.llm.enqueue({ messages, schema });
    await t.settle();
    expect(await t.gp.llm.result(id)).toMatchObject({ parsed: { n: 1 }, usage: { calls: 2 } });
  });

  test("a client that knows nothing but the library carries out what another has enqueued", async () => {
    const models = new ScriptedModels(["there"]);
    const sender = await backend.client({ ...llm(models), workers: { concurrency: 0 } });
    const worker = await backend.client({ ...llm(models), clock: sender.clock });
    worker.gp.register({ steps: { other: () => 1 } });
    const queue = `llm_${Math.random().toString(36).slice(2)}`;
    const id = await sender.gp.llm.enqueue({ messages }, { queue });
    const serving = worker.gp.worker({ queues: [queue] });
    while ((await serving.tick()) > 0) {
      // One step after the other.
    }
    expect(await sender.gp.llm.result(id)).toMatchObject({ response: "there" });
  });

  test("what cannot be stored is refused when it is enqueued, by its field", async () => {
    const t = await backend.client(llm(new ScriptedModels([])));
    const enqueue = (request: object) => rejection(t.gp.llm.enqueue({ messages, ...request } as never));
    expect((await enqueue({ tools: {} })).message).toContain("tools cannot be enqueued");
    expect((await enqueue({ schema: z.string() })).message).toContain("must be JSON Schema");
    expect((await enqueue({ messages: [] })).message).toContain("messages");
    expect((await enqueue({ requestId: "" })).message).toContain("requestId");
    expect(await enqueue({ provider: 5 })).toMatchObject({ code: "INVALID_INPUT" });
  });

  test("the result of a request that nobody enqueued is RUN_NOT_FOUND; of a failed one, its error", async () => {
    const models = new ScriptedModels([new ModelError("auth", "no such key", { status: 401 })]);
    const t = await backend.client(llm(models));
    expect(await rejection(t.gp.llm.result("nobody"))).toMatchObject({ code: "RUN_NOT_FOUND" });
    const id = await t.gp.llm.enqueue({ messages });
    await t.settle();
    expect(await rejection(t.gp.llm.result(id))).toMatchObject({
      code: "RUN_FAILED",
      failedTask: { id: "call_llm_provider" },
      cause: { code: "PROVIDER_ERROR" },
    });
  });

  test("another workflow of that name is refused", async () => {
    const t = await backend.client();
    const other = workflow("LlmRequest").step("a", () => 1);
    expect(
      await rejection(Promise.resolve().then(() => t.gp.register({ workflows: [other] }))),
    ).toMatchObject({
      code: "INVALID_INPUT",
    });
  });
});

describeOnEachBackend("gp.llm.request", (backend) => {
  test("asks outside of runs", async () => {
    const t = await backend.client(llm(new ScriptedModels(['{"n":1}'])));
    const result = await t.gp.llm.request({ messages, schema: z.object({ n: z.number() }) });
    expect(result.parsed.n).toBe(1);
  });

  test("ends with the reason of its signal, and with CLOSED when the client closes", async () => {
    const t = await backend.client(llm(new ScriptedModels([never])));
    const abort = new AbortController();
    const aborted = rejection(t.gp.llm.request({ messages }, { signal: abort.signal }));
    const closed = rejection(t.gp.llm.request({ messages }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    abort.abort(new Error("enough"));
    expect(await aborted).toMatchObject({ message: "enough" });
    await t.close();
    expect(await closed).toMatchObject({ code: "CLOSED" });
    expect(await rejection(t.gp.llm.request({ messages }))).toMatchObject({ code: "CLOSED" });
  });
});
