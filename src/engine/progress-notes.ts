import type { Clock } from "../core/clock.ts";
import type { TaskProgress } from "../core/progress.ts";

/** How often what a task says is stored at most. */
const EVERY_MS = 500;

/**
 * Stores what one try of a task says of its progress: the first word at once, then the last one of every half second.
 * That it could not be stored is no reason for the task to fail, and once the try is over the database takes none.
 */
export class ProgressNotes {
  readonly #clock: Clock;
  readonly #store: (progress: TaskProgress) => Promise<void>;
  #next: TaskProgress | undefined;
  #waits = false;
  #stored: Promise<void> = Promise.resolve();

  constructor(clock: Clock, store: (progress: TaskProgress) => Promise<void>) {
    this.#clock = clock;
    this.#store = store;
  }

  tell(progress: TaskProgress): void {
    this.#next = progress;
    if (!this.#waits) {
      this.#write();
    }
  }

  #write(): void {
    const progress = this.#next;
    this.#next = undefined;
    this.#waits = progress !== undefined;
    if (progress) {
      this.#clock.timer(EVERY_MS, () => this.#write());
      // One after the other: an older word must not come last.
      this.#stored = this.#stored.then(() => this.#store(progress)).catch(() => undefined);
    }
  }
}
