import type { Clock } from "../core/clock.ts";

/** Fires once when it has run for so long; pauses do not count. */
export class Stopwatch {
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #leftMs: number;
  /** It runs while nobody has it paused. */
  #pauses = 1;
  #startedAtMs = 0;
  #cancel: () => void = () => undefined;

  constructor(clock: Clock, ms: number, onEnd: () => void) {
    this.#clock = clock;
    this.#leftMs = ms;
    this.#onEnd = onEnd;
  }

  /** Takes back one pause; it begins paused once. */
  start(): void {
    this.#pauses -= 1;
    if (this.#pauses === 0) {
      this.#startedAtMs = this.#clock.now();
      this.#cancel = this.#clock.timer(this.#leftMs, this.#onEnd);
    }
  }

  pause(): void {
    if (this.#pauses === 0) {
      this.#cancel();
      this.#leftMs = Math.max(0, this.#leftMs - (this.#clock.now() - this.#startedAtMs));
    }
    this.#pauses += 1;
  }

  /** It never fires after this. */
  stop(): void {
    this.#pauses = Number.POSITIVE_INFINITY;
    this.#cancel();
  }
}
