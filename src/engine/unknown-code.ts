import type { TaskKey } from "./protocol.ts";

/** Code that this process lacks is asked for again after 1 s, doubling to 30 s. */
const DELAY_MS = { first: 1000, most: 30_000 };

/** Tasks remembered at most; the one met first is forgotten first. */
const MAX_REMEMBERED = 10_000;

/** How often tasks came here whose code is not. It is no try of theirs: nothing is written down. */
export class UnknownCode {
  readonly #met = new Map<string, number>();

  /** Milliseconds after which the task is handed out again. */
  delayMs(task: TaskKey): number {
    const key = `${task.runId}/${task.position}/${task.item}`;
    const before = this.#met.get(key) ?? 0;
    this.#met.set(key, before + 1);
    const [oldest] = this.#met.keys();
    if (this.#met.size > MAX_REMEMBERED && oldest !== undefined) {
      this.#met.delete(oldest);
    }
    return Math.min(DELAY_MS.most, DELAY_MS.first * 2 ** before);
  }
}
