import type { Embedder } from "../core/embedding.ts";

export interface EmbedAllOptions {
  readonly embedder: Pick<Embedder, "batchSize" | "batchTokens" | "concurrency">;
  /** Tokens of a text, counted from above. */
  readonly countTokens: (text: string) => number;
  /** Embeds one batch; the vectors are in the order of the texts. */
  readonly ask: (texts: readonly string[]) => Promise<readonly (readonly number[])[]>;
  /** Texts that are done, of all of them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Embeds texts in batches, each distinct one once; the answers are in the order of the texts. */
export async function embedAll(
  texts: readonly string[],
  { embedder, countTokens, ask, onProgress }: EmbedAllOptions,
): Promise<readonly (readonly number[])[]> {
  const copies = new Map<string, number>();
  for (const text of texts) {
    copies.set(text, (copies.get(text) ?? 0) + 1);
  }
  const batches = toBatches([...copies.keys()], embedder, countTokens);
  const vectors = new Map<string, readonly number[]>();
  let done = 0;
  await eachAtOnce(batches, embedder.concurrency ?? 1, async (batch) => {
    const answer = await ask(batch);
    for (const [index, text] of batch.entries()) {
      vectors.set(text, answer[index] as readonly number[]);
      done += copies.get(text) ?? 0;
    }
    onProgress?.(done, texts.length);
  });
  return texts.map((text) => vectors.get(text) as readonly number[]);
}

/** Cuts texts into batches, in their order; a text that is too long for any is one by itself. */
export function toBatches(
  texts: readonly string[],
  { batchSize, batchTokens }: Pick<Embedder, "batchSize" | "batchTokens">,
  countTokens: (text: string) => number,
): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let tokens = 0;
  for (const text of texts) {
    const own = countTokens(text);
    const batch = batches.at(-1);
    if (batch && batch.length < batchSize && tokens + own <= batchTokens) {
      batch.push(text);
      tokens += own;
    } else {
      batches.push([text]);
      tokens = own;
    }
  }
  return batches;
}

/** After a failure nothing more is begun; what is under way is waited for, because it is paid for. */
async function eachAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (const item of left) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
      if (failures.length > 0) {
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  if (failures.length > 0) {
    throw failures[0];
  }
}
