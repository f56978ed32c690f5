import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import type { Logger } from "./core/logger.ts";
import { check } from "./core/policy.ts";
import type { FinishedRun } from "./engine/protocol.ts";
import { findMissing } from "./store/missing-runs.ts";
import { findFinished } from "./store/runs.ts";

/** How often the database is asked for runs that end elsewhere. */
const LOOK_MS = 500;

export interface WaitOptions {
  /** Milliseconds to wait at most. Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /** Stops the waiting, not the run. */
  readonly signal?: AbortSignal | undefined;
}

interface Waiter {
  readonly resolve: (run: FinishedRun) => void;
  readonly reject: (error: unknown) => void;
}

/** Tells waiters when runs are final: at once for what this process ends, by looking for all else. */
export class RunWatch {
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #waiters = new Map<string, Set<Waiter>>();
  /** Of those waited for: the runs that are known to be stored. If one of them is not there, it was deleted. */
  readonly #stored = new Set<string>();
  #cancelLook: (() => void) | undefined;
  #closed = false;
  #looking = false;
  /** Asked to look while looking. */
  #again = false;

  constructor(driver: Driver, clock: Clock, logger: Logger) {
    this.#driver = driver;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** A run is final. */
  finished(run: FinishedRun): void {
    for (const waiter of this.#takeWaiters(run.id)) {
      waiter.resolve(run);
    }
  }

  /** There will be no such run: whoever waits for it is told why. */
  giveUp(runId: string, reason: unknown): void {
    for (const waiter of this.#takeWaiters(runId)) {
      waiter.reject(reason);
    }
  }

  /** The run that is waited for is stored now. */
  stored(runId: string): void {
    if (this.#waiters.has(runId)) {
      this.#stored.add(runId);
    }
  }

  #takeWaiters(runId: string): Iterable<Waiter> {
    const waiters = this.#waiters.get(runId);
    this.#waiters.delete(runId);
    this.#stored.delete(runId);
    return waiters ?? [];
  }

  /**
   * Resolves when the run is final.
   * @throws WAIT_TIMEOUT, CLOSED, INVALID_INPUT, or the signal's reason; RUN_NOT_FOUND if the run is deleted
   */
  async wait(runId: string, options: WaitOptions = {}): Promise<FinishedRun> {
    checkWait(options);
    if (this.#closed) {
      throw closedWhileWaiting(runId);
    }
    const cleanUps: (() => void)[] = [];
    try {
      return await new Promise<FinishedRun>((resolve, reject) => {
        const waiter: Waiter = { resolve, reject };
        const waiters = this.#waiters.get(runId) ?? new Set();
        this.#waiters.set(runId, waiters.add(waiter));
        cleanUps.push(() => this.#forget(runId, waiter), ...this.#limit(runId, options, reject));
        this.#lookLater();
      });
    } finally {
      for (const cleanUp of cleanUps) {
        cleanUp();
      }
    }
  }

  /**
   * Asks the database now for one run that is stored, then waits like {@link wait}: also if it does not answer, it may
   * later. @throws RUN_NOT_FOUND if the run is deleted
   */
  async waitFor(runId: string, options: WaitOptions = {}): Promise<FinishedRun> {
    checkWait(options);
    // Waiting begins first: the run may end while the database is asked.
    const ended = this.wait(runId, options);
    this.stored(runId);
    const looked = findFinished(this.#driver, [runId]).then(
      ([already]) => {
        if (already) {
          this.finished(already);
        }
        return already;
      },
      (error: unknown) => {
        this.#logger.warn({ runId, error: String(error) }, "could not look for the run; looking again");
        return undefined;
      },
    );
    try {
      return await ended;
    } catch (error) {
      // However short the time to wait is: what was over before is not too late.
      const already = await looked;
      if (already) {
        return already;
      }
      throw error;
    }
  }

  /** Looks now instead of at the next time: something may have ended elsewhere. */
  look(): void {
    if (this.#looking) {
      this.#again = true;
    } else if (this.#waiters.size > 0) {
      void this.#look();
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancelLook?.();
    for (const [runId, waiters] of this.#waiters) {
      for (const waiter of waiters) {
        waiter.reject(closedWhileWaiting(runId));
      }
    }
    this.#waiters.clear();
  }

  #limit(
    runId: string,
    { timeoutMs, signal }: WaitOptions,
    reject: (error: unknown) => void,
  ): (() => void)[] {
    const cleanUps: (() => void)[] = [];
    if (timeoutMs !== undefined) {
      const error = new GoalpostError(
        "WAIT_TIMEOUT",
        `run ${runId} did not end within ${timeoutMs} ms; it goes on`,
      );
      cleanUps.push(this.#clock.timer(timeoutMs, () => reject(error)));
    }
    if (signal) {
      const abort = (): void => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      cleanUps.push(() => signal.removeEventListener("abort", abort));
    }
    return cleanUps;
  }

  #forget(runId: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(runId);
    waiters?.delete(waiter);
    if (waiters?.size === 0) {
      this.#takeWaiters(runId);
    }
  }

  #lookLater(): void {
    if (!this.#looking) {
      this.#cancelLook ??= this.#clock.timer(LOOK_MS, () => void this.#look());
    }
  }

  async #look(): Promise<void> {
    this.#cancelLook?.();
    this.#looking = true;
    do {
      this.#again = false;
      try {
        const ids = [...this.#waiters.keys()];
        for (const run of ids.length > 0 ? await findFinished(this.#driver, ids) : []) {
          this.finished(run);
        }
        await this.#tellOfDeleted();
      } catch (error) {
        this.#logger.warn({ error: String(error) }, "could not look for finished runs; looking again");
      }
    } while (this.#again && !this.#closed);
    this.#looking = false;
    this.#cancelLook = undefined;
    if (this.#waiters.size > 0 && !this.#closed) {
      this.#lookLater();
    }
  }

  async #tellOfDeleted(): Promise<void> {
    const ids = [...this.#stored];
    for (const id of ids.length > 0 ? await findMissing(this.#driver, ids) : []) {
      for (const waiter of this.#takeWaiters(id)) {
        waiter.reject(
          new GoalpostError("RUN_NOT_FOUND", `run ${id} was deleted while its end was waited for`),
        );
      }
    }
  }
}

/** @throws INVALID_INPUT, or the signal's reason if it is aborted already */
export function checkWait(options: WaitOptions): void {
  check(options.timeoutMs, { what: "timeoutMs", least: 0 });
  options.signal?.throwIfAborted();
}

function closedWhileWaiting(runId: string): GoalpostError {
  return new GoalpostError(
    "CLOSED",
    `the client was closed before run ${runId} ended; what is finished is kept`,
  );
}
