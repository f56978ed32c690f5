import { type Clock, Goalpost, type OpenOptions, silentLogger, type WorkersOptions } from "../index.ts";

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

/** How {@link openTestGoalpost} opens a client. */
export interface TestGoalpostOptions extends Omit<OpenOptions, "clock" | "workers"> {
  /** Default: a new one, at {@link FAKE_START}. */
  readonly clock?: FakeClock | undefined;
  readonly workers?: Omit<WorkersOptions, "start"> | undefined;
}

/** A client that does nothing by itself. */
export interface TestGoalpost extends AsyncDisposable {
  readonly gp: Goalpost;
  readonly clock: FakeClock;
  /** Carries out what is ready now; see `Goalpost.tick`. Retries become due when the clock is advanced. */
  tick(): Promise<number>;
  /** Ticks until nothing is ready. */
  settle(): Promise<void>;
  /** Closes the client; steps that are still under way are aborted and put back. */
  close(): Promise<void>;
}

/**
 * Opens a client for tests: on "memory:" unless told otherwise, with a clock that only the test moves, a silent logger,
 * and a worker that only ticks.
 */
export async function openTestGoalpost(options: TestGoalpostOptions = {}): Promise<TestGoalpost> {
  const clock = options.clock ?? new FakeClock();
  const gp = await Goalpost.open({
    database: "memory:",
    logger: silentLogger,
    ...options,
    clock,
    workers: { ...options.workers, start: false },
  });
  const tick = (): Promise<number> => gp.tick();
  const close = (): Promise<void> => {
    const closed = gp.close({ graceMs: 0 });
    // The grace is over at once: nobody else moves the clock.
    clock.advance(0);
    return closed;
  };
  return {
    gp,
    clock,
    tick,
    async settle() {
      while ((await tick()) > 0) {
        // What was carried out may have made more ready.
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
