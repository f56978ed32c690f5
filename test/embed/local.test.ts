import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { localEmbedder } from "../../src/embed/local-embedder.ts";
import { rejection } from "../promises.ts";
import { writeModel } from "./onnx-model.ts";
import { openEmbed } from "./open-embed.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "goalpost-onnx-"));
  await writeModel(join(root, "plain"), "plain");
  await writeModel(join(root, "jina"), "jina");
});
afterAll(() => rm(root, { recursive: true, force: true }));

const rounded = (vector: readonly number[] | undefined): number[] =>
  (vector ?? []).map((value) => Math.round(value * 1000) / 1000);

describe("a model in this process", () => {
  test("runs through the pipeline: the mean of its tokens, without the padding, for nothing", async () => {
    const { embed, ledger, close } = openEmbed({});
    const model = `local/${join(root, "plain")}`;
    const result = await embed({ queries: ["red", "red green blue blue", "Blue"], model });
    expect(result).toMatchObject({ provider: "local", model: join(root, "plain"), embeddingDim: 4 });
    expect(rounded(result.embeddings[0])).toEqual([1, 0, 0, 0]);
    expect(rounded(result.embeddings[1])).toEqual([0.408, 0.408, 0.816, 0]);
    expect(rounded(result.embeddings[2])).toEqual([0, 0, 1, 0]);
    expect(result.usage).toMatchObject({ calls: 1, inputTokens: 6, costUsd: 0, estimated: false });
    expect(ledger.outcomes).toMatchObject([{ status: "ok", costNanoUsd: 0n }]);
    await close();
  });

  test("has a name and another pooling if the options say so", async () => {
    const models = { colours: { path: join(root, "plain"), pooling: "cls", dimensions: 4 } } as const;
    const { embed, close } = openEmbed({ models });
    const result = await embed({ query: "green red", model: "colours" });
    expect(result).toMatchObject({ provider: "local", model: "colours" });
    expect(rounded(result.embedding)).toEqual([0, 1, 0, 0]);
    const again = await embed({ query: "green red", model: "local/colours" });
    expect(again.embedding).toEqual(result.embedding);
    await close();
  });

  test("in the form of jina-embeddings-v3 it is told the task as the model's own input", async () => {
    const models = { "jina-v3": { path: join(root, "jina"), dimensions: 4 } };
    const { embed, close } = openEmbed({ models });
    const query = await embed({ query: "blue", model: "jina-v3" });
    const document = await embed({ query: "blue", model: "jina-v3", purpose: "document" });
    const clustered = await embed({ query: "blue", model: "jina-v3", purpose: "clustering" });
    const norm = Math.hypot(10, 1);
    expect(rounded(query.embedding)).toEqual(rounded([10 / norm, 0, 1 / norm, 0]));
    expect(rounded(document.embedding)).toEqual(rounded([0, 10 / norm, 1 / norm, 0]));
    expect(rounded(clustered.embedding)).toEqual([0, 0, 1, 0]);
    await close();
  });

  test("that is not there is named, with where it was looked for", async () => {
    const cacheDir = join(root, "cache");
    const { embed } = openEmbed({ local: { allowRemote: false, cacheDir } });
    expect(await rejection(embed({ query: "a", model: `local/${join(root, "none")}` }))).toMatchObject({
      code: "NO_PROVIDER",
      message: expect.stringContaining("config.json, tokenizer.json and onnx/model.onnx"),
    });
    expect(await rejection(embed({ query: "a", model: "local" }))).toMatchObject({
      code: "NO_PROVIDER",
      message: expect.stringContaining(cacheDir),
    });
  });

  test("is loaded once, called one at a time, and let go of in the end", async () => {
    const log: string[] = [];
    const embedder = localEmbedder({
      source: { path: "x", dtype: undefined, cacheDir: root, allowRemote: false },
      model: "x",
      dimensions: null,
      load: async () => {
        log.push("load");
        return {
          embed: async ({ texts }) => {
            log.push(`begin ${texts}`);
            await Promise.resolve();
            log.push(`end ${texts}`);
            return { vectors: [[1]], inputTokens: 1 };
          },
          dispose: async () => {
            log.push("dispose");
          },
        };
      },
    });
    const signal = new AbortController().signal;
    const about = { purpose: "query", signal, timeoutMs: 1000, callId: "call" } as const;
    const calls = ["a", "b"].map((text) => embedder.embed({ ...about, texts: [text] }));
    await embedder.dispose?.();
    await Promise.all(calls);
    expect(log).toEqual(["load", "begin a", "end a", "begin b", "end b", "dispose"]);
  });
});
