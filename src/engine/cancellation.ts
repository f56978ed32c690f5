/**
 * Says that something is called off, and why: an AbortController whose signal is made when somebody asks for it. Most
 * tasks end without one, and a signal is most of what Node spends on a short task.
 */
export class Cancellation {
  #aborted = false;
  #reason: unknown;
  #listener: (() => void) | undefined;
  #controller: AbortController | undefined;
  #children: Cancellation[] | undefined;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) {
        this.#controller.abort(this.#reason);
      }
    }
    return this.#controller.signal;
  }

  /** The first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) {
      return;
    }
    this.#aborted = true;
    this.#reason = reason;
    this.#listener?.();
    this.#controller?.abort(reason);
    for (const child of this.#children ?? []) {
      child.abort(reason);
    }
  }

  /** One that is called off with this one, and by itself. */
  child(): Cancellation {
    const child = new Cancellation();
    this.#children = [...(this.#children ?? []), child];
    if (this.#aborted) {
      child.abort(this.#reason);
    }
    return child;
  }

  throwIfAborted(): void {
    if (this.#aborted) {
      throw this.#reason;
    }
  }

  /** Does the work; rejects with the reason as soon as it is called off, and leaves the work alone then. */
  until<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      // While the definition was being loaded, say.
      this.throwIfAborted();
      this.#listener = () => reject(this.#reason);
      work().then(resolve, reject);
    });
  }
}
