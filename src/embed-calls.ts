import { createHash } from "node:crypto";
import { v5 as uuidOf } from "uuid";
import type { Embedded, Embedder } from "./core/embedding.ts";
import type { Json } from "./core/json.ts";
import type { LlmCallContext, TextsToEmbed } from "./core/model-calls.ts";
import { NO_USAGE, sumUsage, type Usage } from "./core/usage.ts";
import { joined, normalised } from "./core/vectors.ts";
import { embedAll } from "./embed/embed-all.ts";
import type { EmbedModel } from "./embed-models.ts";
import { askEmbedder } from "./llm/ask-embedder.ts";
import { estimateTokens } from "./llm/estimate.ts";
import type { LlmParts } from "./llm/llm-parts.ts";
import { UsageTally } from "./llm/token-usage.ts";

type Vectors = readonly (readonly number[])[];

/** What texts are embedded with. */
export interface EmbedCallsParts {
  readonly llm: LlmParts;
  readonly model: EmbedModel;
}

/** Embeds texts on the account of whoever asks: each distinct one once, in batches that tasks remember. */
export async function embedWith(
  { llm, model }: EmbedCallsParts,
  asked: TextsToEmbed,
  ctx: LlmCallContext,
): Promise<Embedded> {
  const { texts, onProgress } = asked;
  const { provider, model: name } = model;
  let usage = NO_USAGE;
  if (texts.length === 0) {
    return { vectors: [], provider, model: name, dimensions: dimensionsOf(model), usage };
  }
  const ofEach: Vectors[] = [];
  for (const [index, embedder] of model.parts.entries()) {
    await embedder.prepare?.();
    const before = index * texts.length;
    const vectors = await embedAll(texts, {
      embedder,
      countTokens: estimateTokens,
      ask: async (batch) => {
        const answer = await embedBatch(llm, { ...asked, texts: batch, embedder }, ctx);
        usage = sumUsage(usage, answer.usage);
        return answer.vectors;
      },
      // Several models do every text several times.
      onProgress: (done) => onProgress?.(Math.floor((before + done) / model.parts.length), texts.length),
    });
    ofEach.push(vectors);
  }
  const vectors = ofEach.length === 1 ? (ofEach[0] as Vectors) : join(ofEach, texts.length);
  return { vectors, provider, model: name, dimensions: vectors[0]?.length ?? 0, usage };
}

/** 0 where only an answer tells. */
function dimensionsOf({ parts }: EmbedModel): number {
  const each = parts.map(({ dimensions }) => dimensions ?? 0);
  return each.includes(0) ? 0 : each.reduce((all, one) => all + one, 0);
}

function join(ofEach: readonly Vectors[], count: number): Vectors {
  return Array.from({ length: count }, (_, index) =>
    joined(ofEach.map((vectors) => vectors[index] as readonly number[])),
  );
}

interface Batch extends TextsToEmbed {
  readonly embedder: Embedder;
}

interface BatchAnswer {
  readonly vectors: Vectors;
  readonly usage: Usage;
}

/** In a task the vectors are remembered: a step that fails after a paid call does not pay again. */
async function embedBatch(llm: LlmParts, batch: Batch, ctx: LlmCallContext): Promise<BatchAnswer> {
  const { task } = ctx;
  const key = keyOf(batch);
  const stored = task?.recall(key) as StoredBatch | undefined;
  if (stored !== undefined) {
    return { vectors: unpack(stored), usage: stored.usage };
  }
  const own = { ...ctx, requestId: uuidOf(key, ctx.requestId) };
  const tally = new UsageTally();
  const ask = (): Promise<Vectors> => askEmbedder(llm, { ...batch, ctx: own, tally });
  const vectors = await (task ? task.keepBusy(ask) : ask());
  const answer = { vectors, usage: await usageOf(llm, own, tally) };
  await task?.remember(key, pack(answer));
  return answer;
}

/** Equal for batches that come to the same vectors. */
function keyOf({ embedder, purpose, texts }: Batch): string {
  const asked = JSON.stringify([embedder.provider, embedder.model, embedder.dimensions, purpose, texts]);
  return createHash("sha256").update(asked).digest("hex").slice(0, 40);
}

/** The ledger knows of calls that another process made for this batch. */
async function usageOf(llm: LlmParts, ctx: LlmCallContext, tally: UsageTally): Promise<Usage> {
  if (ctx.resumed) {
    try {
      return await llm.ledger.usageOf(ctx.requestId);
    } catch (error) {
      llm.logger.warn({ error: String(error) }, "the usage of a request could not be read");
    }
  }
  return tally.usage;
}

/** Four-byte floats in base64: a fifth of what their JSON would be. */
interface StoredBatch {
  readonly [key: string]: Json;
  readonly dimensions: number;
  readonly floats: string;
  readonly usage: Usage & { readonly [key: string]: Json };
}

function pack({ vectors, usage }: BatchAnswer): StoredBatch {
  const floats = Float32Array.from(vectors.flat());
  return {
    dimensions: vectors[0]?.length ?? 0,
    floats: Buffer.from(floats.buffer).toString("base64"),
    usage: { ...usage },
  };
}

function unpack({ dimensions, floats }: StoredBatch): Vectors {
  const bytes = new Uint8Array(Buffer.from(floats, "base64"));
  const all = new Float32Array(bytes.buffer);
  return Array.from({ length: all.length / dimensions }, (_, index) =>
    normalised(all.subarray(index * dimensions, (index + 1) * dimensions)),
  );
}
