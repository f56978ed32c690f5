import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Fields of a message of protocol buffers: numbers as varints, the rest by length. */
type Field = readonly [number, number | string | Uint8Array | Message];
class Message {
  readonly bytes: Uint8Array;
  constructor(...fields: readonly Field[]) {
    this.bytes = Buffer.concat(fields.map(encode));
  }
}

function encode([id, value]: Field): Uint8Array {
  if (typeof value === "number") {
    return Buffer.concat([varint(id << 3), varint(value)]);
  }
  const bytes =
    typeof value === "string" ? Buffer.from(value) : value instanceof Message ? value.bytes : value;
  return Buffer.concat([varint((id << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) {
    bytes.push((left % 128) | 128);
  }
  return Uint8Array.from([...bytes, left]);
}

const FLOAT = 1;
const INT64 = 7;

function table(name: string, rows: readonly (readonly number[])[]): Message {
  const dims: Field[] = [
    [1, rows.length],
    [1, rows[0]?.length ?? 0],
  ];
  const data = Float32Array.from(rows.flat());
  return new Message(...dims, [2, FLOAT], [8, name], [9, new Uint8Array(data.buffer)]);
}

function value(name: string, type: number, dims: readonly (string | number)[]): Message {
  const shape = new Message(
    ...dims.map((dim): Field => [1, new Message(typeof dim === "string" ? [2, dim] : [1, dim])]),
  );
  return new Message([1, name], [2, new Message([1, new Message([1, type], [2, shape])])]);
}

function node(op: string, inputs: readonly string[], output: string): Message {
  return new Message(...inputs.map((input): Field => [1, input]), [2, output], [4, op]);
}

function model(graph: readonly Field[]): Uint8Array {
  const opset = new Message([1, ""], [2, 17]);
  return new Message([1, 8], [8, opset], [7, new Message(...graph, [2, "tiny"])]).bytes;
}

/** The vector of each word of the vocabulary; the first two are of padding and of words that are unknown. */
export const WORDS: Readonly<Record<string, readonly number[]>> = {
  "[PAD]": [9, 9, 9, 9],
  "[UNK]": [0, 0, 0, 1],
  red: [1, 0, 0, 0],
  green: [0, 1, 0, 0],
  blue: [0, 0, 1, 0],
};
const IDS = Object.fromEntries(Object.keys(WORDS).map((word, id) => [word, id]));

const TOKENS: readonly Field[] = [
  [11, value("input_ids", INT64, ["texts", "tokens"])],
  [11, value("attention_mask", INT64, ["texts", "tokens"])],
];

/** A model that gives each token the vector of its word. */
const lookup = model([
  [1, node("Gather", ["words", "input_ids"], "last_hidden_state")],
  [5, table("words", Object.values(WORDS))],
  ...TOKENS,
  [12, value("last_hidden_state", FLOAT, ["texts", "tokens", 4])],
]);

/** The same, with a vector of the task added: an input that the stock pipeline does not know. */
export const TASK_ROWS: readonly (readonly number[])[] = [
  [10, 0, 0, 0],
  [0, 10, 0, 0],
  [0, 0, 10, 0],
  [0, 0, 0, 10],
  [5, 5, 0, 0],
];
const withTask = model([
  [1, node("Gather", ["words", "input_ids"], "tokens")],
  [1, node("Gather", ["tasks", "task_id"], "task")],
  [1, node("Add", ["tokens", "task"], "text_embeds")],
  [5, table("words", Object.values(WORDS))],
  [5, table("tasks", TASK_ROWS)],
  ...TOKENS,
  [11, value("task_id", INT64, [])],
  [12, value("text_embeds", FLOAT, ["texts", "tokens", 4])],
]);

const special = (id: number, content: string): object => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});
const TOKENIZER = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [special(0, "[PAD]"), special(1, "[UNK]")],
  normalizer: { type: "Lowercase" },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: null,
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: IDS,
  },
};
const TOKENIZER_CONFIG = {
  tokenizer_class: "BertTokenizer",
  pad_token: "[PAD]",
  unk_token: "[UNK]",
  model_max_length: 16,
};
const ADAPTERS = ["retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"];

/** Writes a tiny model that transformers.js can load: a plain one, or one in the form of jina-embeddings-v3. */
export async function writeModel(directory: string, form: "plain" | "jina"): Promise<void> {
  const config =
    form === "plain"
      ? { model_type: "bert", hidden_size: 4 }
      : {
          model_type: "xlm-roberta-flash",
          hidden_size: 4,
          lora_adaptations: ADAPTERS,
          task_instructions: {},
        };
  await mkdir(join(directory, "onnx"), { recursive: true });
  await writeFile(join(directory, "onnx", "model.onnx"), form === "plain" ? lookup : withTask);
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
  await writeFile(join(directory, "tokenizer.json"), JSON.stringify(TOKENIZER));
  await writeFile(join(directory, "tokenizer_config.json"), JSON.stringify(TOKENIZER_CONFIG));
}
