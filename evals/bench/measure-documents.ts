import { Goalpost, silentLogger } from "goalpost";
import type { BenchContext } from "./section.ts";
import { median, quantile, round, time } from "./statistics.ts";

export interface DocumentFigures {
  /** Texts cut, embedded with "hash" and stored, in the embedded database. */
  readonly ingest: { readonly chunks: number; readonly chunksPerSecond: number };
  /** The ten nearest of so many vectors, by the index against comparing all. */
  readonly search: {
    readonly vectors: number;
    readonly putMs: number;
    readonly recallAt10: number;
    readonly p50Ms: number;
    readonly p95Ms: number;
  };
}

const TOPICS = 2000;
const WORDS_OF_TOPIC = 40;
const QUERIES = 100;
const BATCH = 2000;

/** Documents as they are put and found through the client, with vectors of 384 numbers. */
export async function measureDocuments({ size }: BenchContext): Promise<DocumentFigures> {
  const gp = await Goalpost.open({ database: "memory:", logger: silentLogger, workers: false });
  try {
    await gp.documents.put("warm", [{ id: "a", text: "warm" }], { model: "hash" });
    return { ingest: await measureIngest(gp, size(10_000)), search: await measureSearch(gp, size(100_000)) };
  } finally {
    await gp.close();
  }
}

async function measureIngest(gp: Goalpost, count: number): Promise<DocumentFigures["ingest"]> {
  const random = randomNumbers(1);
  // Pages of some chunks each.
  const docs = Array.from({ length: Math.ceil(count / 4) }, (_, i) => ({
    id: `page ${i}`,
    text: Array.from({ length: 4 }, () => textOf(random, 140)).join("\n\n"),
  }));
  let chunks = 0;
  const tookMs = await time(async () => {
    ({ chunks } = await gp.documents.put("ingest", docs, { model: "hash", index: false }));
  });
  await gp.documents.delete("ingest", { all: true });
  return { chunks, chunksPerSecond: round((chunks / tookMs) * 1000) };
}

async function measureSearch(gp: Goalpost, vectors: number): Promise<DocumentFigures["search"]> {
  const random = randomNumbers(2);
  const putMs = await time(async () => {
    for (let from = 0; from < vectors; from += BATCH) {
      const docs = Array.from({ length: Math.min(BATCH, vectors - from) }, (_, i) => ({
        id: `${from + i}`,
        text: textOf(random, 30),
        metadata: { all: true },
      }));
      await gp.documents.put("many", docs, { model: "hash", chunk: false, index: from + BATCH >= vectors });
    }
  });
  const queries = Array.from({ length: QUERIES }, () => textOf(random, 30));
  const times: number[] = [];
  const found: string[][] = [];
  for (const query of queries) {
    times.push(
      await time(async () => {
        found.push((await gp.documents.search("many", query, { limit: 10 })).map(({ id }) => id));
      }),
    );
  }
  let hits = 0;
  for (const [index, query] of queries.entries()) {
    const exact = await gp.documents.search("many", query, { limit: 10, exact: true });
    hits += exact.filter(({ id }) => found[index]?.includes(id)).length;
  }
  return {
    vectors,
    putMs: Math.round(putMs),
    recallAt10: round(hits / (10 * QUERIES)),
    p50Ms: round(median(times)),
    p95Ms: round(quantile(times, 0.95)),
  };
}

/** Words of one topic and some of any: like real texts, some are near each other and most are not. */
function textOf(random: () => number, words: number): string {
  const topic = Math.floor(random() * TOPICS);
  return Array.from({ length: words }, () => {
    const common = random() < 0.3;
    return common ? `w${Math.floor(random() * 500)}` : `t${topic}x${Math.floor(random() * WORDS_OF_TOPIC)}`;
  }).join(" ");
}

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
