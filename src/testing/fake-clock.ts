import type { Clock } from "../index.ts";

/** Where a {@link FakeClock} starts unless it is told otherwise. */
export const FAKE_START: Date = new Date("2026-01-01T00:00:00.000Z");

interface Timer {
  readonly dueAt: number;
  readonly fire: () => void;
}

/** A clock that stands still until it is moved. The database takes its time for now, too. */
export class FakeClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now: number;

  constructor(start: Date = FAKE_START) {
    this.#now = start.getTime();
  }

  now(): number {
    return this.#now;
  }

  databaseNow(): Date {
    return new Date(this.#now);
  }

  timer(delayMs: number, fire: () => void): () => void {
    const timer = { dueAt: this.#now + Math.max(0, delayMs), fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /**
   * Moves the clock and fires what becomes due on the way, in order, timers set meanwhile included. What a timer sets
   * off goes on after this has returned.
   */
  advance(byMs: number): void {
    const end = this.#now + byMs;
    for (let next = this.#nextUntil(end); next; next = this.#nextUntil(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.dueAt);
      next.fire();
    }
    this.#now = end;
  }

  /** Of timers due at one moment the first one set fires first. */
  #nextUntil(end: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= end && (next === undefined || timer.dueAt < next.dueAt)) {
        next = timer;
      }
    }
    return next;
  }
}
