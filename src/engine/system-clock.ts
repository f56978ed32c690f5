import type { Clock } from "../core/clock.ts";

/** The machine's clock; the database uses its own. */
export const systemClock: Clock = {
  now: () => Date.now(),
  databaseNow: () => null,
  timer(delayMs, fire) {
    const timeout = setTimeout(fire, delayMs);
    return () => clearTimeout(timeout);
  },
};
