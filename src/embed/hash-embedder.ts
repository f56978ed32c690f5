import type { Embedder } from "../core/embedding.ts";
import { GoalpostError } from "../core/errors.ts";
import { FeatureCounts } from "./feature-counts.ts";

export const HASH_PROVIDER = "hash";
export const HASH_DIMENSIONS = 384;

/** More than that no index holds. */
const MAX_DIMENSIONS = 4000;
const MIN_DIMENSIONS = 16;

/** What each kind of feature counts. */
const WORD = 1;
const PAIR = 0.6;
const PART = 0.35;
/** Letters of a word that counts in full: short ones are mostly those that every text has. */
const FULL_LENGTH = 6;
/** Told apart from features of another kind by where their hash begins. */
const SEEDS = { word: 0x811c9dc5, pair: 0x01234567, part: 0x2f0b4c47, text: 0x5bd1e995 } as const;

const WORDS = /[\p{L}\p{M}\p{N}]+/gu;
/** Scripts without spaces between words. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]/u;

/**
 * Texts as vectors by feature hashing, deterministic and without a model: lower-case words, pairs of neighbours and
 * parts of three letters (two in scripts without spaces) are counted, damped by a logarithm, and added to the number that
 * their hash chooses, with the sign that it chooses. Texts that share words and stems are near to each other; those that
 * only mean the same are not.
 *
 * From: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009); parts of words as in Bojanowski
 * et al., "Enriching Word Vectors with Subword Information" (2017).
 */
export function hashEmbedder(dimensions: number = HASH_DIMENSIONS): Embedder {
  return {
    provider: HASH_PROVIDER,
    model: hashModel(dimensions),
    batchSize: 256,
    batchTokens: 200_000,
    dimensions,
    isFree: true,
    async embed({ texts }) {
      let inputTokens = 0;
      const features = new FeatureCounts();
      const vectors = texts.map((text) => {
        const { vector, words } = hashText(text, { dimensions, features });
        inputTokens += words;
        return vector;
      });
      return { vectors, inputTokens };
    },
  };
}

/** What the embedder of so many dimensions is called. */
export function hashModel(dimensions: number): string {
  return dimensions === HASH_DIMENSIONS ? "hash" : `hash-${dimensions}`;
}

/**
 * How many dimensions a model has by its name: "hash" or "hash-512"; undefined if it is none of these.
 * @throws INVALID_INPUT for too few or too many
 */
export function readHashModel(name: string): number | undefined {
  const found = /^hash(?:-(\d+))?$/.exec(name);
  if (!found) {
    return undefined;
  }
  const dimensions = found[1] === undefined ? HASH_DIMENSIONS : Number(found[1]);
  if (dimensions < MIN_DIMENSIONS || dimensions > MAX_DIMENSIONS) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `model ${JSON.stringify(name)}: a hash has ${MIN_DIMENSIONS} to ${MAX_DIMENSIONS} numbers, such as "hash-512"`,
    );
  }
  return dimensions;
}

function hashText(
  text: string,
  { dimensions, features }: { readonly dimensions: number; readonly features: FeatureCounts },
): { vector: Float64Array; words: number } {
  const plain = text.normalize("NFKC").toLowerCase();
  const words = plain.match(WORDS) ?? [];
  features.clear();
  for (const [index, word] of words.entries()) {
    const weight = Math.min(1, word.length / FULL_LENGTH);
    features.add(hash(word, SEEDS.word), WORD * weight);
    const next = words[index + 1];
    if (next !== undefined) {
      features.add(hash(` ${next}`, hash(word, SEEDS.pair)), PAIR * weight);
    }
    addParts(features, word, weight);
  }
  const vector = toVector(features, dimensions);
  if (vector.every((value) => value === 0)) {
    // No words at all, or all of them cancel each other out.
    vector[mixed(hash(plain, SEEDS.text)) % dimensions] = 1;
  }
  return { vector, words: Math.max(1, words.length) };
}

function addParts(features: FeatureCounts, word: string, weight: number): void {
  const size = UNSPACED.test(word) ? 2 : 3;
  const padded = `<${word}>`;
  for (let start = 0; start + size <= padded.length; start++) {
    features.add(hash(padded, SEEDS.part, start, start + size), PART * weight);
  }
}

function toVector(features: FeatureCounts, dimensions: number): Float64Array {
  const vector = new Float64Array(dimensions);
  features.forEach((feature, count, weight) => {
    const bits = mixed(feature);
    const sign = bits & 1 ? 1 : -1;
    const at = (bits >>> 1) % dimensions;
    vector[at] = (vector[at] as number) + sign * weight * (1 + Math.log(count));
  });
  return vector;
}

/** FNV-1a of the text's code units. */
// biome-ignore lint/complexity/useMaxParams: called for every letter of every text; an object for them would cost more.
function hash(text: string, seed: number, start = 0, end: number = text.length): number {
  let bits = seed;
  for (let index = start; index < end; index++) {
    bits = Math.imul(bits ^ text.charCodeAt(index), 0x01000193);
  }
  return bits >>> 0;
}

/** The last step of MurmurHash3: every bit depends on all of them. */
function mixed(bits: number): number {
  let mix = bits;
  mix = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}
