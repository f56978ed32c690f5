import type { Json } from "../core/json.ts";
import type { Cancellation } from "./cancellation.ts";

export interface MemoryOptions {
  readonly cancellation: Cancellation;
  /** What earlier tries of the task stored. */
  readonly stored: Readonly<Record<string, Json>>;
  /** Makes a value and stores it as JSON text, which it returns. */
  readonly make: (key: string, fn: () => unknown) => Promise<string>;
}

/** What one task remembers over all its tries: each key is made once. */
export class Memory {
  readonly #options: MemoryOptions;
  readonly #stored: Map<string, string>;
  readonly #underWay = new Map<string, Promise<string>>();

  constructor(options: MemoryOptions) {
    this.#options = options;
    this.#stored = new Map(
      Object.entries(options.stored).map(([key, value]) => [key, JSON.stringify(value)]),
    );
  }

  async once(key: string, fn: () => unknown): Promise<Json> {
    this.#options.cancellation.throwIfAborted();
    const known = this.recall(key);
    if (known !== undefined) {
      return known;
    }
    const promise = this.#underWay.get(key) ?? this.#options.make(key, fn);
    this.#underWay.set(key, promise);
    try {
      const text = await promise;
      this.#stored.set(key, text);
      // Parsed for every caller: what one changes is not what another is given.
      return JSON.parse(text) as Json;
    } finally {
      this.#underWay.delete(key);
    }
  }

  /** What is stored for the key; undefined for nothing. */
  recall(key: string): Json | undefined {
    const text = this.#stored.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as Json);
  }
}
