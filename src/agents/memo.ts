import { GoalpostError } from "../core/errors.ts";
import { type Json, toJson } from "../core/json.ts";
import { checkText } from "./check-mail.ts";

export interface MemoOptions {
  readonly maxBytes: number;
  /** What the value of a key is, for messages. */
  readonly what: (key: string) => string;
  /** Stores the JSON text of a value. */
  readonly store: (key: string, value: string) => Promise<void>;
}

/** What ctx.once remembers of one message. */
export class Memo {
  readonly #options: MemoOptions;
  readonly #values: Map<string, Promise<string>>;

  constructor(stored: readonly (readonly [string, Json])[], options: MemoOptions) {
    this.#options = options;
    this.#values = new Map(stored.map(([key, value]) => [key, Promise.resolve(JSON.stringify(value))]));
  }

  /** Whether there is a value. */
  get isMarked(): boolean {
    return this.#values.size > 0;
  }

  async once(key: string, fn: () => unknown): Promise<Json> {
    checkText(key, { what: "the key of ctx.once", most: 256 });
    let value = this.#values.get(key);
    if (!value) {
      value = this.#make(key, fn);
      this.#values.set(key, value);
      value.catch(() => this.#values.delete(key));
    }
    // Parsed for every caller: what one changes is not what another is given.
    return JSON.parse(await value) as Json;
  }

  async #make(key: string, fn: () => unknown): Promise<string> {
    const { what, maxBytes, store } = this.#options;
    const text = toJson(await fn(), what(key));
    if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) {
      throw new GoalpostError("OUTPUT_TOO_LARGE", `${what(key)} more than ${maxBytes} bytes of JSON`);
    }
    await store(key, text);
    return text;
  }
}
