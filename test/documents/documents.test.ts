import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestGoalpost, type TestGoalpost } from "../../src/testing/index.ts";
import { rejection } from "../promises.ts";

let t: TestGoalpost;

beforeAll(async () => {
  t = await openTestGoalpost({
    database: "memory:",
    embed: {
      models: {
        broken: {
          provider: "test",
          model: "broken",
          batchSize: 9,
          batchTokens: 999,
          dimensions: null,
          embed: nan,
        },
        wide: {
          provider: "test",
          model: "wide",
          batchSize: 99,
          batchTokens: 9999,
          dimensions: 2560,
          embed: wide,
        },
      },
    },
  });
});
afterAll(() => t.close());

async function nan({ texts }: { readonly texts: readonly string[] }) {
  return { vectors: texts.map(() => [Number.NaN, 1]), inputTokens: null };
}

async function wide({ texts }: { readonly texts: readonly string[] }) {
  return {
    vectors: texts.map((text) =>
      Array.from({ length: 2560 }, (_, i) => ((text.charCodeAt(i % text.length) * (i + 7)) % 13) - 6),
    ),
    inputTokens: 1,
  };
}

const CATS = { id: "cats", text: "Cats purr and chase mice.", metadata: { kind: "animal", legs: 4 } };
const TAX = { id: "tax", text: "Income tax is paid every year.", metadata: { kind: "law" } };

describe("documents in a collection", () => {
  beforeEach(async () => {
    await t.gp.documents.delete("notes", "all");
  });

  test("are found by what they are about, the nearest first", async () => {
    const report = await t.gp.documents.put("notes", [CATS, TAX]);
    expect(report).toMatchObject({ stored: 2, unchanged: 0, chunks: 2, embedded: 2 });
    const hits = await t.gp.documents.search("notes", "which cats chase mice?");
    expect(hits.map((hit) => hit.id)).toEqual(["cats", "tax"]);
    expect(hits[0]).toMatchObject({
      text: CATS.text,
      metadata: CATS.metadata,
      chunk: { ordinal: 0, start: 0, end: CATS.text.length },
    });
    expect(hits[0]?.score).toBeGreaterThan(hits[1]?.score as number);
    expect((await t.gp.documents.search("notes", CATS.text))[0]?.score).toBeCloseTo(1, 4);
  });

  test("are not embedded again if they have not changed", async () => {
    await t.gp.documents.put("notes", [CATS, TAX]);
    const report = await t.gp.documents.put("notes", [CATS, { ...TAX, text: "Income tax is gone." }]);
    expect(report).toMatchObject({ stored: 1, unchanged: 1, embedded: 1 });
  });

  test("share the vectors of chunks whose text is there already", async () => {
    await t.gp.documents.put("notes", [CATS]);
    expect(await t.gp.documents.put("notes", [{ id: "copy", text: CATS.text }])).toMatchObject({
      stored: 1,
      embedded: 0,
    });
  });

  test("take new metadata without being embedded", async () => {
    await t.gp.documents.put("notes", [CATS]);
    expect(await t.gp.documents.put("notes", [{ ...CATS, metadata: { kind: "pet" } }])).toMatchObject({
      embedded: 0,
    });
    const hits = await t.gp.documents.search("notes", "cats", { filter: { kind: "pet" } });
    expect(hits.map((hit) => hit.metadata)).toEqual([{ kind: "pet" }]);
  });

  test("replace all chunks of the document they follow", async () => {
    const long = "One sentence about ships. ".repeat(200);
    await t.gp.documents.put("notes", [{ id: "ships", text: long }]);
    await t.gp.documents.put("notes", [{ id: "ships", text: "Short now." }]);
    const hits = await t.gp.documents.search("notes", "ships", { limit: 50 });
    expect(hits.map((hit) => hit.text)).toEqual(["Short now."]);
  });

  test("are limited by metadata, by score and by number", async () => {
    await t.gp.documents.put("notes", [CATS, TAX]);
    const search = t.gp.documents.search.bind(t.gp.documents);
    expect((await search("notes", "cats", { filter: { legs: 4 } })).map((hit) => hit.id)).toEqual(["cats"]);
    expect((await search("notes", "cats", { limit: 1 })).length).toBe(1);
    expect((await search("notes", CATS.text, { minScore: 0.9 })).map((hit) => hit.id)).toEqual(["cats"]);
    expect(await search("elsewhere", "cats")).toEqual([]);
  });

  test("are found by a word as well as by meaning in hybrid mode", async () => {
    const others = Array.from({ length: 30 }, (_, i) => ({
      id: `n${i}`,
      text: `Note ${i} on other things of the house.`,
    }));
    await t.gp.documents.put("notes", [...others, { id: "code", text: "The part number is ZX81Q." }]);
    const hits = await t.gp.documents.search("notes", "zx81q", { mode: "hybrid", limit: 3 });
    expect(hits[0]?.id).toBe("code");
    expect(hits.map((hit) => hit.rank)).toEqual([...hits.map((hit) => hit.rank)].sort((a, b) => b - a));
  });

  test("are deleted by id, by metadata, or all, and listed", async () => {
    await t.gp.documents.put("notes", [CATS, TAX, { id: "c", text: "Third." }]);
    expect(await t.gp.documents.delete("notes", { ids: ["c", "unknown"] })).toBe(1);
    expect(await t.gp.documents.delete("notes", { filter: { kind: "law" } })).toBe(1);
    expect(await t.gp.documents.ids("notes")).toEqual(["cats"]);
    expect(await t.gp.documents.collections()).toContainEqual({
      name: "notes",
      documents: 1,
      chunks: 1,
      model: "hash/hash",
      dimensions: 384,
    });
    expect(await t.gp.documents.delete("notes", "all")).toBe(1);
    expect(await t.gp.documents.collections()).toEqual([]);
  });

  test("are embedded again, all of them, when another model is named", async () => {
    await t.gp.documents.put("notes", [CATS, TAX]);
    await t.gp.documents.put("notes", [CATS], { model: "wide" });
    const [collection] = await t.gp.documents.collections();
    expect(collection).toMatchObject({ model: "test/wide", dimensions: 2560, chunks: 2 });
    expect((await t.gp.documents.search("notes", CATS.text))[0]?.score).toBeCloseTo(1, 3);
  });
});

describe("what is no document", () => {
  const { text, id } = CATS;
  const bad: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["no array", () => t.gp.documents.put("bad", "x" as never)],
    ["no object", () => t.gp.documents.put("bad", [null as never])],
    ["without an id", () => t.gp.documents.put("bad", [{ id: "", text }])],
    ["without text", () => t.gp.documents.put("bad", [{ id, text: "  " }])],
    ["a text with \\u0000", () => t.gp.documents.put("bad", [{ id, text: "a\u0000b" }])],
    ["half a surrogate pair", () => t.gp.documents.put("bad", [{ id, text: "a\ud800" }])],
    ["twice the same", () => t.gp.documents.put("bad", [CATS, CATS])],
    ["metadata that are a list", () => t.gp.documents.put("bad", [{ id, text, metadata: [] as never }])],
    ["metadata that JSON cannot hold", () => t.gp.documents.put("bad", [{ id, text, metadata: { n: 1n } }])],
    ["a collection's name", () => t.gp.documents.put("no good", [CATS])],
    ["chunks that are too short", () => t.gp.documents.put("bad", [CATS], { chunk: { maxLength: 3 } })],
    ["too much overlap", () => t.gp.documents.put("bad", [CATS], { chunk: { maxLength: 100, overlap: 60 } })],
    ["an empty query", () => t.gp.documents.search("bad", " ")],
    ["a query that is too long", () => t.gp.documents.search("bad", "x".repeat(10_001))],
    ["a limit of 0", () => t.gp.documents.search("bad", "x", { limit: 0 })],
    ["a score above 1", () => t.gp.documents.search("bad", "x", { minScore: 2 })],
    ["an unknown mode", () => t.gp.documents.search("bad", "x", { mode: "fuzzy" as never })],
    ["nothing to delete", () => t.gp.documents.delete("bad", {} as never)],
  ];

  test.each(bad)("%s is refused, and nothing is stored", async (_, call) => {
    expect(await rejection(call())).toMatchObject({ code: "INVALID_INPUT" });
    expect((await t.gp.documents.collections()).map(({ name }) => name)).not.toContain("bad");
  });

  test("vectors that are no numbers are not stored", async () => {
    const error = await rejection(t.gp.documents.put("nan", [CATS], { model: "broken" }));
    expect(error).toMatchObject({ code: expect.stringMatching(/PROVIDER_ERROR|RESPONSE_INVALID/) });
    expect(await t.gp.documents.ids("nan")).toEqual([]);
  });
});
