import { expect, test } from "vitest";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("gp.embed", (backend) => {
  test("a query becomes a vector of length 1, on the ledger and for nothing", async () => {
    const { gp } = await backend.client();
    const result = await gp.embed({ query: "refund an order", model: "hash" });
    expect(result).toMatchObject({ provider: "hash", model: "hash", embeddingDim: 384 });
    expect(result.embedding).toHaveLength(384);
    expect(Math.hypot(...result.embedding)).toBeCloseTo(1, 5);
    expect(result.usage).toMatchObject({ calls: 1, inputTokens: 3, costUsd: 0, estimated: false });
    const [row] = await gp.usage.summary({ groupBy: ["model"] });
    expect(row).toMatchObject({ calls: 1, inputTokens: 3, costUsd: 0 });
  });

  test("queries become vectors in their order; equal ones are embedded once", async () => {
    const { gp } = await backend.client();
    const told: number[] = [];
    const { embeddings, usage } = await gp.embed({
      queries: ["one", "two", "one"],
      model: "hash-64",
      onProgress: (done) => told.push(done),
    });
    expect(embeddings.map((vector) => vector.length)).toEqual([64, 64, 64]);
    expect(embeddings[0]).toEqual(embeddings[2]);
    expect(embeddings[0]).not.toEqual(embeddings[1]);
    expect(usage.inputTokens).toBe(2);
    expect(told).toEqual([3]);
  });

  test("no queries are no vectors, and no call", async () => {
    const { gp } = await backend.client();
    expect(await gp.embed({ queries: [], model: "hash" })).toMatchObject({
      embeddings: [],
      usage: { calls: 0 },
    });
  });

  const long = "x".repeat(10_001);
  test.each([
    ["an empty query", { query: "" }, "query is empty"],
    ["a blank query", { query: " \n" }, "query is empty"],
    ["a query that is too long", { query: long }, "10001 characters; it may have 10000"],
    ["a query that is no text", { query: 5 }, "query is of type number"],
    ["half a surrogate pair", { query: "\ud800" }, "well-formed"],
    ["one bad query of many", { queries: ["good", ""] }, "queries[1] is empty"],
    ["queries that are no list", { queries: "one" }, "must be an array"],
    ["both", { query: "a", queries: ["b"] }, "not both"],
    ["neither", {}, "got neither"],
    ["nothing", undefined, "embed takes"],
    ["an unknown option", { query: "a", dims: 3 }, "dims"],
    ["an unknown purpose", { query: "a", purpose: "fun" }, "purpose"],
    ["a model that is no text", { query: "a", model: 7 }, "model"],
    ["a model that is unknown", { query: "a", model: "word2vec" }, "word2vec"],
    ["hash with too few numbers", { query: "a", model: "hash-0" }, "hash-0"],
  ])("%s is refused", async (_, request, message) => {
    const { gp } = await backend.client();
    const embed = gp.embed as (request: unknown) => Promise<unknown>;
    await expect(embed(request)).rejects.toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining(message),
    });
  });

  test("a query of 10,000 characters is embedded, also where a character takes two units", async () => {
    const { gp } = await backend.client();
    await gp.embed({ queries: ["x".repeat(10_000), "😀".repeat(10_000)], model: "hash" });
  });

  test("an aborted signal ends it", async () => {
    const { gp } = await backend.client();
    const reason = new Error("enough");
    await expect(gp.embed({ query: "a", model: "hash", signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
  });

  test("a closed client embeds no more", async () => {
    const t = await backend.client();
    await t.close();
    await expect(t.gp.embed({ query: "a" })).rejects.toMatchObject({ code: "CLOSED" });
  });
});
