import type { Cancellation } from "./cancellation.ts";

/** A task that is being carried out. */
interface Running {
  readonly runId: string;
  readonly abort: Cancellation;
  readonly done: Promise<void>;
}

/** What a worker carries out at the moment, and the slots that it takes. */
export class UnderWay {
  readonly #slots: number;
  readonly #running = new Set<Running>();
  /** Second copies of what is under way. */
  #copies = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** Tasks, without their second copies. */
  get size(): number {
    return this.#running.size;
  }

  /** Slots that are free; less than 0 where more was begun than fits. */
  get free(): number {
    return this.#slots - this.#running.size - this.#copies;
  }

  add({ runId, abort, work }: Omit<Running, "done"> & { readonly work: Promise<void> }): void {
    const running: Running = { runId, abort, done: work.finally(() => this.#running.delete(running)) };
    this.#running.add(running);
  }

  /** Takes a slot for a second copy; returns what gives it back. */
  addCopy(): () => void {
    this.#copies += 1;
    return () => {
      this.#copies -= 1;
    };
  }

  abortRun(runId: string, reason: Error): void {
    for (const task of this.#running) {
      if (task.runId === runId) {
        task.abort.abort(reason);
      }
    }
  }

  abortAll(reason: Error): void {
    for (const task of this.#running) {
      task.abort.abort(reason);
    }
  }

  /** Resolves once nothing is under way. */
  async quiet(): Promise<void> {
    while (this.#running.size > 0) {
      await Promise.all([...this.#running].map((task) => task.done));
    }
  }
}
