import type { Clock } from "../core/clock.ts";

/** Waits by the clock. @throws the signal's reason */
export async function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let stopTimer = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    stopTimer = clock.timer(ms, resolve);
  });
  try {
    await orAborted(over, signal);
  } finally {
    stopTimer();
  }
}

/** The promise, or the signal's reason if that is first; what comes later is not looked at. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) {
      abort();
    }
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

export interface Limited {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly ms: number;
  /** What the work ends with when the time is up. */
  readonly late: () => Error;
}

/**
 * Does work with a signal of its own, that aborts with the given one or when the time is up; what does not heed it is
 * left alone. AbortSignal.any would hold on to each of them for as long as the task's signal lives.
 */
export async function limited<T>(
  { clock, signal, ms, late }: Limited,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const own = new AbortController();
  const abort = (): void => own.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const stopTimer = clock.timer(ms, () => own.abort(late()));
  try {
    return await orAborted(work(own.signal), own.signal);
  } catch (error) {
    // What an SDK makes of an abort says less than its reason.
    throw own.signal.aborted ? own.signal.reason : error;
  } finally {
    stopTimer();
    signal.removeEventListener("abort", abort);
  }
}
