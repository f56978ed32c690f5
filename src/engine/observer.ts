import type { Clock } from "../core/clock.ts";
import type { Sighted } from "./protocol.ts";

/** An instance is lost when its beat has not moved for this long, as one observer saw it. */
export const LOST_AFTER_MS = {
  /** Its session lock is gone, too. */
  lockGone: 1500,
  otherwise: 30_000,
} as const;

/** Looks further apart than this are no observation. */
const GAP_MS = { lockGone: 1500, otherwise: 5000 } as const;

/**
 * After an interruption a lock that is gone proves nothing for this long: it may be the server that was away, and
 * others need as long to find back as it takes them between two tries.
 */
export const RECOVERY_MS = 5000;

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
  #lastLookMs: number | undefined;
  #trustsLocksFromMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes what one look saw; returns the instances that are lost. */
  look(instances: readonly Sighted[]): string[] {
    const now = this.#clock.now();
    this.#noticeGap(now);
    this.#lastLookMs = now;
    const seen = new Map<string, Sighting>();
    const lost: string[] = [];
    for (const { worker, beat, lockGone } of instances) {
      const before = this.#seen.get(worker);
      const sighting = before?.beat === beat ? before : { beat, sinceMs: now };
      seen.set(worker, sighting);
      const afterMs =
        lockGone && now >= this.#trustsLocksFromMs ? LOST_AFTER_MS.lockGone : LOST_AFTER_MS.otherwise;
      if (now - sighting.sinceMs >= afterMs) {
        lost.push(worker);
      }
    }
    this.#seen = seen;
    return lost;
  }

  /** A look failed, or the connection was made again. */
  startAgain(): void {
    this.#seen.clear();
    this.#trustsLocksFromMs = this.#clock.now() + RECOVERY_MS;
  }

  /** While this process itself was not running, or its clock was set, it has observed nothing. */
  #noticeGap(now: number): void {
    const gapMs = this.#lastLookMs === undefined ? 0 : now - this.#lastLookMs;
    if (gapMs > GAP_MS.otherwise || gapMs < 0) {
      this.startAgain();
    } else if (gapMs > GAP_MS.lockGone) {
      this.#trustsLocksFromMs = now + RECOVERY_MS;
    }
  }
}
