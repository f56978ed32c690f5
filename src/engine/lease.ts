import type { Clock } from "../core/clock.ts";

/** How long after its last beat a worker may count on its tasks: less than others wait before they take them. */
export const LEASE_MS = {
  /** Its session lock is gone: others take it for lost after 1.5 s. */
  lockGone: 1200,
  /** It holds its lock, or never had one: after 30 s. */
  otherwise: 25_000,
} as const;

/** Says when a worker must let go of its tasks, because others may think that it is gone. */
export class Lease {
  readonly #clock: Clock;
  readonly #onLapse: () => void;
  #renewedAtMs: number | undefined;
  #lockGone = false;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(clock: Clock, onLapse: () => void) {
    this.#clock = clock;
    this.#onLapse = onLapse;
  }

  /** A beat was acknowledged. @param sentAtMs when it was sent: others may have seen it since then */
  renew(sentAtMs: number): void {
    this.#renewedAtMs = sentAtMs;
    this.#watch();
  }

  lockChanged(gone: boolean): void {
    this.#lockGone = gone;
    this.#watch();
  }

  /** For good: the answer to a beat may still be on its way, and renews nothing. */
  stop(): void {
    this.#cancel?.();
    this.#stopped = true;
  }

  #watch(): void {
    this.#cancel?.();
    if (this.#renewedAtMs === undefined || this.#stopped) {
      return;
    }
    const lastsMs = this.#lockGone ? LEASE_MS.lockGone : LEASE_MS.otherwise;
    const leftMs = this.#renewedAtMs + lastsMs - this.#clock.now();
    this.#cancel = this.#clock.timer(Math.max(0, leftMs), this.#onLapse);
  }
}
