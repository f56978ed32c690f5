/**
 * Callers who wait for the last step of a run, by the run's input. Systems that tell a caller of the end only when
 * asked again and again are measured up to the call of their last step: their own waiting would measure its interval.
 */
export class Pending {
  readonly #waiting = new Map<number, (output: number) => void>();
  #next = 0;

  /** Starts a run with an id of its own; resolves when {@link done} is called with it. */
  async run(start: (id: number) => Promise<unknown>): Promise<number> {
    const id = this.#next++;
    const output = new Promise<number>((resolve) => this.#waiting.set(id, resolve));
    await start(id);
    return output;
  }

  done(id: number, output: number): void {
    this.#waiting.get(id)?.(output);
    this.#waiting.delete(id);
  }
}
