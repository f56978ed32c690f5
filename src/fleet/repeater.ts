import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";

/** What is done again and again. */
export interface Repeated {
  readonly work: () => Promise<unknown>;
  /** Milliseconds between the end of one time and the beginning of the next. */
  readonly everyMs: number;
  /** What it is, for the log. */
  readonly what: string;
}

/** Does something now and from time to time until it is closed. What it throws is logged, and the next time comes. */
export class Repeater {
  readonly #repeated: Repeated;
  readonly #parts: { readonly clock: Clock; readonly logger: Logger };
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(repeated: Repeated, parts: { readonly clock: Clock; readonly logger: Logger }) {
    this.#repeated = repeated;
    this.#parts = parts;
    this.#running = this.#once();
  }

  /** Resolves once nothing is under way any more. */
  close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    return this.#running;
  }

  async #once(): Promise<void> {
    const { work, everyMs, what } = this.#repeated;
    try {
      await work();
    } catch (error) {
      this.#parts.logger.warn({ error: String(error) }, `${what} failed; it is tried again`);
    }
    if (!this.#closed) {
      this.#cancel = this.#parts.clock.timer(everyMs, () => {
        this.#running = this.#once();
      });
    }
  }
}
