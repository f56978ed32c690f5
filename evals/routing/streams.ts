import { readFileSync } from "node:fs";
import { drawBeta, seeded } from "./random.ts";

/** A question, and which of the models answered it right. */
export interface Question {
  readonly kind: string;
  /** By model, in the order of {@link Stream.models}. */
  readonly right: readonly boolean[];
}

/** Questions one after the other. */
export interface Stream {
  readonly name: string;
  /** The cheap one first. */
  readonly models: readonly string[];
  readonly questions: readonly Question[];
  /** Whether their order matters; if not, they are shuffled for every repetition. */
  readonly ordered: boolean;
}

const KINDS = 40;

export interface StreamOptions {
  readonly length: number;
  readonly seed: number;
  /** In the middle of the stream the cheap model gets better at a third of the kinds, and worse at another. */
  readonly drifts: boolean;
}

/** Questions of our own: some kinds are common and some rare; on most the dear model is better, on some by nothing. */
export function makeStream({ length, seed, drifts }: StreamOptions): Stream {
  const random = seeded(seed);
  const kinds = Array.from({ length: KINDS }, (_, index) => {
    const strong = drawBeta(8, 2, random);
    const weak = strong * drawBeta(6, 1.2, random);
    const later = [weak, Math.min(0.98, strong + 0.02), weak * 0.5][index % 3] as number;
    return { name: `kind_${index}`, often: 1 / (1 + index / 4), strong, qualities: [weak, later] };
  });
  const total = kinds.reduce((sum, { often }) => sum + often, 0);
  const questions = Array.from({ length }, (_, index): Question => {
    const kind = drawKind(kinds, random() * total);
    const weak = kind.qualities[Number(drifts && index >= length / 2)] as number;
    // A question that is hard for one is hard for the other, too.
    const hardness = random();
    const own = (quality: number): boolean => 0.6 * hardness + 0.4 * random() < scaled(quality);
    return { kind: kind.name, right: [own(weak), own(kind.strong)] };
  });
  return { name: drifts ? "drifting" : "steady", models: ["weak", "strong"], questions, ordered: drifts };
}

function drawKind<K extends { readonly often: number }>(kinds: readonly K[], at: number): K {
  let left = at;
  for (const kind of kinds) {
    left -= kind.often;
    if (left < 0) {
      return kind;
    }
  }
  return kinds.at(-1) as K;
}

/** The threshold that 0.6 × one uniform number + 0.4 × another is below with this probability. */
function scaled(probability: number): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 30; step++) {
    const middle = (low + high) / 2;
    if (sumBelow(middle) < probability) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

function sumBelow(x: number): number {
  const tail = (y: number): number => (y > 0 ? y ** 2 / (2 * 0.6 * 0.4) : 0);
  return tail(x) - tail(x - 0.6) - tail(x - 0.4) + tail(x - 1);
}

/**
 * Questions that real models answered, a JSON object a line: `{ kind, correct: { model: boolean } }`. The model that is
 * right less often stands for the cheap one.
 */
export function readStream(file: string): Stream {
  const records = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as { kind: string; correct: Record<string, boolean> });
  const names = [...new Set(records.flatMap(({ correct }) => Object.keys(correct)))];
  const rightOf = (model: string): number => records.filter(({ correct }) => correct[model] === true).length;
  const models = names.sort((a, b) => rightOf(a) - rightOf(b));
  const questions = records.map(({ kind, correct }) => ({
    kind,
    right: models.map((model) => correct[model] === true),
  }));
  return { name: file.split("/").at(-1) ?? file, models, questions, ordered: false };
}
