import { expect, test } from "vitest";
import { type Embedder, Embedding, workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

/** An embedder that counts what it is asked; a thousand tokens a text. */
function counting() {
  const batches: string[][] = [];
  const embedder: Embedder = {
    provider: "counted",
    model: "counted-1",
    batchSize: 2,
    batchTokens: 10_000,
    dimensions: 2,
    async embed(batch) {
      batches.push([...batch.texts]);
      const vectors = batch.texts.map((text) => [text.length, 1]);
      return { vectors, inputTokens: 1000 * vectors.length };
    },
  };
  const prices = { "counted-1": { input: 2, output: 0 } };
  return { batches, options: { llm: { prices }, embed: { models: { counted: embedder } } } };
}

describeOnEachBackend("Embedding", (backend) => {
  test("a query becomes what the contract names, in four steps, also on the channel", async () => {
    const t = await backend.client();
    const heard: unknown[] = [];
    await t.gp.channels.listen("embedding_result", (message) => {
      heard.push(message);
    });
    const handle = await t.gp.start(Embedding, { queryId: "q1", query: "find the invoice", model: "hash" });
    await t.settle();
    const { output } = await handle.result();
    expect(output.publish_embedding).toMatchObject({
      queryId: "q1",
      embeddingDim: 384,
      provider: "hash",
      model: "hash",
      usage: { calls: 1, inputTokens: 3 },
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(output.publish_embedding.embedding).toHaveLength(384);
    const history = await t.gp.channels.history("embedding_result");
    expect(history.map(({ payload }) => payload)).toEqual([output.publish_embedding]);
    const run = await t.gp.runs.get(handle.runId);
    expect(run?.tasks.map(({ id }) => id)).toEqual([
      "receive_query",
      "validate_query",
      "generate_embedding",
      "publish_embedding",
    ]);
    expect(await t.gp.usage.run(handle.runId)).toMatchObject({ calls: 1, inputTokens: 3, costUsd: 0 });
  });

  test.each([
    ["an empty query", { query: "" }, "validate_query", "INVALID_INPUT"],
    ["a query of 10,001 characters", { query: "x".repeat(10_001) }, "validate_query", "INVALID_INPUT"],
    ["a query that is no text", { query: 5 }, "validate_query", "INVALID_INPUT"],
    ["an unknown model", { query: "a", model: "word2vec" }, "validate_query", "INVALID_INPUT"],
    ["a model that is served nowhere", { query: "a", model: "qodo" }, "validate_query", "NO_PROVIDER"],
    ["no object", "query", "receive_query", "INVALID_INPUT"],
    ["an id that is none", { query: "a", queryId: 5 }, "receive_query", "INVALID_INPUT"],
  ])("%s is refused, and not tried again", async (...[, input, step, code]) => {
    const t = await backend.client();
    const handle = await t.gp.start(Embedding, input as never);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      code: "RUN_FAILED",
      failedTask: { id: step, attempt: 1 },
      cause: { code },
    });
  });
});

describeOnEachBackend("ctx.embed", (backend) => {
  test("a step that fails in the middle of many texts pays only for what is left", async () => {
    const { batches, options } = counting();
    const t = await backend.client(options);
    const w = workflow("embed_many").step("embed", { retry: { baseMs: 0 } }, async (_, ctx) => {
      const queries = ["a", "bb", "ccc", "a"];
      const done: number[] = [];
      const first = await ctx.embed({
        queries: queries.slice(0, 2),
        model: "counted",
        onProgress: (n) => done.push(n),
      });
      if (ctx.attempt === 1) {
        throw new Error("after the first");
      }
      const { embeddings, usage } = await ctx.embed({ queries, model: "counted" });
      return { first: first.embeddings.length, count: embeddings.length, usage, done };
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const { output } = await handle.result();
    expect(output.embed).toMatchObject({ first: 2, count: 4, done: [2] });
    expect(batches).toEqual([["a", "bb"], ["ccc"]]);
  });

  test("its calls are on the run's account, with their price", async () => {
    const { options } = counting();
    const t = await backend.client(options);
    const w = workflow("embed_priced").step("embed", async (_, ctx) => {
      const { usage } = await ctx.embed({ query: "text", model: "counted" });
      return usage;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const { output } = await handle.result();
    expect(output.embed).toMatchObject({ calls: 1, inputTokens: 1000, costUsd: 0.002 });
    expect(await t.gp.usage.run(handle.runId)).toMatchObject({ calls: 1, costUsd: 0.002 });
  });

  test("it stops at the run's budget", async () => {
    const { batches, options } = counting();
    const t = await backend.client(options);
    const w = workflow("embed_budget").step("embed", async (_, ctx) => {
      await ctx.embed({ queries: ["a", "b", "c"], model: "counted" });
    });
    const handle = await t.gp.start(w, null, { budget: { calls: 1 } });
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({ cause: { code: "BUDGET_EXCEEDED" } });
    expect(batches).toEqual([["a", "b"]]);
  });

  test("a request that makes no sense is refused as gp.embed refuses it", async () => {
    const t = await backend.client();
    const w = workflow("embed_bad").step("embed", async (_, ctx) => {
      await ctx.embed({ query: "", model: "hash" });
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({ cause: { code: "INVALID_INPUT" } });
  });
});
