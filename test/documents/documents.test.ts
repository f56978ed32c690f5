import type { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Embedded, EmbedTexts } from "../../src/core/embedding.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import { Documents } from "../../src/documents/documents.ts";
import type { Documents as ClientDocuments } from "../../src/index.ts";
import { createPgliteDriver, type PGliteLike } from "../../src/store/pglite-driver.ts";
import { openTestGoalpost, type TestGoalpost } from "../../src/testing/index.ts";
import { openVectorDatabase } from "./vector-database.ts";

let db: PGlite;
let client: TestGoalpost;
let documents: ClientDocuments;
let count = 0;
/** A new collection for each test. */
let name = "";

beforeAll(async () => {
  db = await openVectorDatabase();
  client = await openTestGoalpost({ database: db as unknown as PGliteLike });
  documents = client.gp.documents;
});
afterAll(async () => {
  await client.close();
  await db.close();
});
beforeEach(() => {
  name = `collection ${++count}`;
});

const ANIMALS = [
  { id: "cats", text: "Cats purr, sleep in the sun and hunt mice.", metadata: { kind: "pet", legs: 4 } },
  { id: "dogs", text: "Dogs bark at night and guard the house.", metadata: { kind: "pet", legs: 4 } },
  { id: "owls", text: "Owls hunt mice at night.", metadata: { kind: "bird", legs: 2 } },
];

/** Embeds by a rule of the test, and counts what it is asked. */
function fake(vectorOf: (text: string) => number[], model = "fake"): { embed: EmbedTexts; asked: string[] } {
  const asked: string[] = [];
  const embed: EmbedTexts = async (texts): Promise<Embedded> => {
    asked.push(...texts);
    const vectors = texts.map(vectorOf);
    return { vectors, provider: "test", model, dimensions: vectors[0]?.length ?? 0, usage: NO_USAGE };
  };
  return { embed, asked };
}

function withEmbed(embed: EmbedTexts, on = db as unknown as PGliteLike): Documents {
  return new Documents({ driver: createPgliteDriver(on, async () => undefined), embed });
}

describe("given documents in a collection", () => {
  test("the one that is most like the query is found first, with what is known of it", async () => {
    await documents.put(name, ANIMALS, { model: "hash" });
    const [first] = await documents.search(name, "dogs that bark at night", { limit: 2 });
    expect(first).toMatchObject({
      id: "dogs",
      text: ANIMALS[1]?.text,
      metadata: { kind: "pet", legs: 4 },
      chunk: 0,
      start: 0,
    });
    expect(first?.score).toBeGreaterThan(0.3);
  });

  test("a filter keeps those whose metadata contains it", async () => {
    await documents.put(name, ANIMALS, { model: "hash" });
    const hits = await documents.search(name, "dogs bark at night", { filter: { kind: "bird" } });
    expect(hits.map(({ id }) => id)).toEqual(["owls"]);
  });

  test("minScore leaves out what is less like the query", async () => {
    await documents.put(name, ANIMALS, { model: "hash" });
    const hits = await documents.search(name, "Owls hunt mice at night.", { minScore: 0.9 });
    expect(hits.map(({ id }) => id)).toEqual(["owls"]);
  });

  test("full text finds what shares a word, and hybrid joins both rankings", async () => {
    await documents.put(name, ANIMALS, { model: "hash" });
    const text = await documents.search(name, "what barks?", { mode: "text" });
    const hybrid = await documents.search(name, "what barks?", { mode: "hybrid" });
    expect(text.map(({ id }) => id)).toEqual(["dogs"]);
    expect(hybrid[0]?.id).toBe("dogs");
    expect(hybrid).toHaveLength(3);
  });

  test("text that is there already is not embedded again, new metadata is kept", async () => {
    const { embed, asked } = fake(() => [1, 0]);
    const own = withEmbed(embed);
    await own.put(name, ANIMALS);
    const again = await own.put(name, [{ ...ANIMALS[0], metadata: { kind: "lion" } } as (typeof ANIMALS)[0]]);
    expect(again).toMatchObject({ documents: 1, unchanged: 1, chunks: 0, embedded: 0 });
    expect(asked).toHaveLength(3);
    expect(await own.search(name, "x", { filter: { kind: "lion" } })).toHaveLength(1);
  });

  test("of a document that changed only new chunks are embedded, and no old ones stay", async () => {
    const { embed, asked } = fake(() => [1, 0]);
    const own = withEmbed(embed);
    const part = (word: string): string => `${word} `.repeat(12);
    const chunk = { maxChars: 80, overlapChars: 0 };
    await own.put(name, [{ id: "a", text: [part("one"), part("two"), part("three")].join("\n\n") }], {
      chunk,
    });
    asked.length = 0;
    await own.put(name, [{ id: "a", text: [part("one"), part("four")].join("\n\n") }], { chunk });
    const hits = await own.search(name, "x");
    expect(asked.slice(0, -1)).toEqual([part("four").trim()]);
    expect(hits.map(({ text }) => text.slice(0, 4)).sort()).toEqual(["four", "one "]);
    expect((await own.collections()).find((one) => one.name === name)).toMatchObject({
      documents: 1,
      chunks: 2,
    });
  });

  test("a put that fails leaves the documents as they were", async () => {
    let fails = false;
    const { embed } = fake(() => (fails ? [Number.NaN, 0] : [1, 0]));
    const own = withEmbed(embed);
    await own.put(name, ANIMALS);
    fails = true;
    await expect(own.put(name, [{ id: "cats", text: "other" }])).rejects.toMatchObject({
      code: "RESPONSE_INVALID",
    });
    fails = false;
    expect((await own.search(name, "x")).map(({ text }) => text).sort()).toEqual(
      ANIMALS.map(({ text }) => text).sort(),
    );
  });

  test("they are deleted by id, by filter, and all together", async () => {
    await documents.put(name, ANIMALS, { model: "hash" });
    expect(await documents.delete(name, ["cats", "none"])).toBe(1);
    expect(await documents.delete(name, { filter: { kind: "bird" } })).toBe(1);
    expect((await documents.search(name, "mice")).map(({ id }) => id)).toEqual(["dogs"]);
    expect(await documents.delete(name, { all: true })).toBe(1);
    await expect(documents.search(name, "mice")).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test("they are embedded by another model only when that is asked for, all of them", async () => {
    await documents.put(name, ANIMALS, { model: "hash" });
    await expect(documents.put(name, ANIMALS, { model: "hash-512" })).rejects.toMatchObject({
      code: "INVALID_STATE",
    });
    const report = await documents.reembed(name, { model: "hash-512" });
    expect(report).toMatchObject({ embedded: 3, dimensions: 512 });
    expect((await documents.search(name, "dogs bark at night"))[0]?.id).toBe("dogs");
    const { rows } = await db.query(
      "select distinct vector_dims(embedding) as dims from goalpost.document_vectors v join goalpost.document_collections c on c.id = v.collection_id where c.name = $1",
      [name],
    );
    expect(rows).toEqual([{ dims: 512 }]);
  });

  test("embedding again goes on where it was cut off, and takes in what was put meanwhile", async () => {
    const old = withEmbed(fake(() => [1, 0], "old").embed);
    await old.put(name, ANIMALS);
    let calls = 0;
    const { embed, asked } = fake(() => [0, 1, 0], "new");
    const late: EmbedTexts = async (texts, options) => {
      if (++calls === 2) {
        await old.put(name, [{ id: "late", text: "late" }]);
      }
      return embed(texts, options);
    };
    await withEmbed(late).reembed(name, { model: "new" });
    expect(asked).toContain("late");
    expect(await withEmbed(embed).search(name, "x")).toHaveLength(4);
  });

  test("vectors of other dimensions than the collection holds are refused", async () => {
    await withEmbed(fake(() => [1, 0]).embed).put(name, ANIMALS);
    const other = withEmbed(fake(() => [1, 0, 0]).embed);
    const refusal = { code: "INVALID_STATE", details: { expected: 2, given: 3 } };
    await expect(other.put(name, [{ id: "new", text: "new" }])).rejects.toMatchObject(refusal);
    await expect(other.search(name, "new")).rejects.toMatchObject(refusal);
  });

  test("a model that gives fewer vectors than texts stores nothing", async () => {
    const short: EmbedTexts = async () => ({
      vectors: [[1, 0]],
      provider: "test",
      model: "m",
      dimensions: 2,
      usage: NO_USAGE,
    });
    await expect(withEmbed(short).put(name, ANIMALS)).rejects.toMatchObject({ code: "RESPONSE_INVALID" });
    expect((await documents.collections()).find((one) => one.name === name)).toMatchObject({
      documents: 0,
      chunks: 0,
    });
  });

  test.each([
    [[{ id: "", text: "a" }], /document 0 has the id/],
    [
      [
        { id: "a", text: "b" },
        { id: "a", text: "c" },
      ],
      /another one in the same call/,
    ],
    [[{ id: "a", text: "nul\u0000" }], /no text that a database can hold/],
    [[{ id: "a", text: 7 }], /no text that a database can hold/],
    [[{ id: "a", text: "b", metadata: [1] }], /is no object/],
    [[{ id: "a", text: "b", metadata: { when: Number.NaN } }], /JSON cannot hold/],
    ["text", /must be an array/],
  ])("documents that are none are refused: %j", async (docs, message) => {
    const put = documents.put(name, docs as never);
    await expect(put).rejects.toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ["", {}],
    ["  ", {}],
    ["x".repeat(10_001), {}],
    [5, {}],
    ["x", { limit: 0 }],
    ["x", { minScore: 2 }],
    ["x", { mode: "fuzzy" }],
    ["x", { filter: "kind" }],
  ])("a search that is none is refused: %#", async (query, options) => {
    await documents.put(name, ANIMALS, { model: "hash" });
    await expect(documents.search(name, query as string, options as never)).rejects.toMatchObject({
      code: "INVALID_INPUT",
    });
  });
});

describe("given more vectors than are worth comparing one by one", () => {
  /** Numbers that look random, the same for the same text: among many vectors that are alike an index finds few. */
  const wide = (dimensions: number): ((text: string) => number[]) => {
    return (text) => {
      let state = 1 + Number(text.replaceAll(/\D/g, ""));
      return Array.from({ length: dimensions }, () => {
        state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
        return state / 2 ** 31 - 1;
      });
    };
  };
  const docs = Array.from({ length: 5000 }, (_, i) => ({
    id: `d${i}`,
    text: `number ${i}`,
    metadata: { odd: i % 2 === 1 },
  }));

  test("the index of the model is made, and the search uses it", async () => {
    const own = withEmbed(fake(wide(16), "wide").embed);
    await own.put(name, docs);
    const { rows } = await db.query<{ id: number }>(
      "select id from goalpost.document_models where model = 'wide'",
    );
    const index = `goalpost.document_vectors_of_${rows[0]?.id}`;
    const scans = await db.transaction(async (tx) => {
      await withEmbed(fake(wide(16), "wide").embed, tx as unknown as PGliteLike).search(name, "number 4990");
      const counted = await tx.query<{ scans: number }>(
        "select pg_stat_get_xact_numscans($1::regclass)::int as scans",
        [index],
      );
      return counted.rows[0]?.scans;
    });
    expect(scans).toBe(1);
    const hits = await own.search(name, "number 4990", { limit: 3 });
    expect(hits[0]).toMatchObject({ score: expect.closeTo(1, 3) });
    const odd = await own.search(name, "number 4990", { limit: 30, filter: { odd: true } });
    expect(odd).toHaveLength(30);
    expect(odd.every(({ metadata }) => metadata.odd === true)).toBe(true);
    expect(odd.map(({ score }) => score)).toEqual(odd.map(({ score }) => score).toSorted((x, y) => y - x));
  });

  test("2,560 dimensions are indexed as half-precision numbers", async () => {
    const own = withEmbed(fake((text) => wide(2560)(text), "combined").embed);
    await own.put(name, docs.slice(0, 20));
    await db.query("update goalpost.document_collections set chunk_count = 5000 where name = $1", [name]);
    await own.put(name, docs.slice(20, 30));
    const { rows } = await db.query<{ indexdef: string }>(
      "select indexdef from pg_indexes where indexdef like '%halfvec(2560)%'",
    );
    expect(rows[0]?.indexdef).toContain("halfvec_cosine_ops");
    expect((await own.search(name, "number 7", { limit: 1 }))[0]?.id).toBe("d7");
  });
});
