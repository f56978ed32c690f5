import type { Clock } from "../core/clock.ts";

/** The time that one try may take. It stands still while somebody holds it. */
export class AttemptTimer {
  readonly #clock: Clock;
  readonly #fire: () => void;
  #leftMs: number;
  #startedAt = 0;
  #holders = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, timeoutMs: number, fire: () => void) {
    this.#clock = clock;
    this.#leftMs = timeoutMs;
    this.#fire = fire;
    this.#run();
  }

  /** When the time is up, if it does not stand still meanwhile. */
  get endsAt(): number {
    return this.#startedAt + this.#leftMs;
  }

  /** Does work whose time does not count. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#holders += 1;
    if (this.#holders === 1) {
      this.#leftMs -= this.#clock.now() - this.#startedAt;
      this.#cancel?.();
    }
    try {
      return await work();
    } finally {
      this.#holders -= 1;
      if (this.#holders === 0 && this.#cancel) {
        this.#run();
      }
    }
  }

  /** The try is over. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #run(): void {
    this.#startedAt = this.#clock.now();
    this.#cancel = this.#clock.timer(Math.max(0, this.#leftMs), this.#fire);
  }
}
