import type { Clock } from "../core/clock.ts";

/** Waits for the promise, but no longer than that. */
export async function atMost(clock: Clock, delayMs: number, promise: Promise<void>): Promise<void> {
  let cancel = (): void => undefined;
  const late = new Promise<void>((resolve) => {
    cancel = clock.timer(delayMs, resolve);
  });
  await Promise.race([promise, late]);
  cancel();
}
