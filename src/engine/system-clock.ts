import type { Clock } from "../core/clock.ts";

/** A longer delay makes setTimeout fire at once. */
const MAX_DELAY_MS = 2_147_483_647;

/** The machine's clock; the database uses its own. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  databaseNow: () => null,
  timer(delayMs, fire) {
    let timeout: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      timeout = setTimeout(
        () => (leftMs > MAX_DELAY_MS ? wait(leftMs - MAX_DELAY_MS) : fire()),
        Math.min(leftMs, MAX_DELAY_MS),
      );
    };
    wait(delayMs);
    return () => clearTimeout(timeout);
  },
};
