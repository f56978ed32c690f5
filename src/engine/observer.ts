import type { Clock } from "../core/clock.ts";

/** An instance whose beat has not moved for this long, as one observer saw it, is lost. */
export const LOST_AFTER_MS = 30_000;

/** Looks further apart than this are no observation. */
const GAP_MS = 5000;

interface Sighting {
  readonly beat: string;
  readonly sinceMs: number;
}

/**
 * Decides which instances are lost, by its own observation only: what another clock wrote proves nothing, and after
 * a look that failed the observation starts again (or the first one back after a server restart would take all
 * others for dead).
 */
export class Observer {
  readonly #clock: Clock;
  #seen = new Map<string, Sighting>();
  #lastLookMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes what one look saw; returns the instances that are lost. */
  look(instances: readonly { worker: string; beat: string }[]): string[] {
    const now = this.#clock.now();
    if (now - this.#lastLookMs > GAP_MS || now < this.#lastLookMs) {
      // This process itself was not running, or its clock was set: it has observed nothing meanwhile.
      this.#seen.clear();
    }
    this.#lastLookMs = now;
    const seen = new Map<string, Sighting>();
    for (const { worker, beat } of instances) {
      const before = this.#seen.get(worker);
      seen.set(worker, before?.beat === beat ? before : { beat, sinceMs: now });
    }
    this.#seen = seen;
    return [...seen]
      .filter(([, sighting]) => now - sighting.sinceMs >= LOST_AFTER_MS)
      .map(([worker]) => worker);
  }

  /** A look failed. */
  startAgain(): void {
    this.#seen.clear();
  }
}
