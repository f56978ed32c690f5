import { describe, expect, test } from "vitest";
import { LOST_AFTER_MS, Observer, RECOVERY_MS } from "../../src/engine/observer.ts";

const LOOK_MS = 500;

/** An observer of one instance, and a clock that is set by hand. */
class Watch {
  nowMs = 0;
  lockGone = false;
  readonly observer = new Observer({
    now: () => this.nowMs,
    databaseNow: () => null,
    timer: () => () => undefined,
  });

  /** Looks every half second for that long; returns after how long the instance was first called lost, if it was. */
  lostAfter(forMs: number, beatAt: (nowMs: number) => string): number | undefined {
    for (let passedMs = 0; passedMs <= forMs; passedMs += LOOK_MS) {
      if (
        this.observer.look([{ worker: "w", beat: beatAt(this.nowMs), lockGone: this.lockGone }]).length > 0
      ) {
        return passedMs;
      }
      this.nowMs += LOOK_MS;
    }
    return undefined;
  }
}

const still = (): string => "7";
const SILENT_MS = LOST_AFTER_MS.otherwise;

describe("an observer", () => {
  test("calls an instance lost when its beat has stood still for 30 s of its own looks", () => {
    expect(new Watch().lostAfter(60_000, still)).toBe(SILENT_MS);
  });

  test("never calls an instance lost whose beat moves, however slowly", () => {
    const every29s = (nowMs: number): string => String(Math.floor(nowMs / 29_000));
    expect(new Watch().lostAfter(300_000, every29s)).toBeUndefined();
  });

  test("takes any other beat for a sign of life, a smaller one too", () => {
    const watch = new Watch();
    watch.lostAfter(20_000, still);
    expect(watch.lostAfter(20_000, () => "1")).toBeUndefined();
  });

  test("starts again after a look that failed", () => {
    const watch = new Watch();
    watch.lostAfter(29_000, still);
    watch.observer.startAgain();
    expect(watch.lostAfter(60_000, still)).toBe(SILENT_MS);
  });

  test("starts again when it was asleep itself", () => {
    const watch = new Watch();
    watch.lostAfter(1000, still);
    watch.nowMs += SILENT_MS;
    expect(watch.lostAfter(60_000, still)).toBe(SILENT_MS);
  });

  test("starts again when its clock was set back", () => {
    const watch = new Watch();
    watch.nowMs = 100_000;
    watch.lostAfter(1000, still);
    watch.nowMs = 0;
    expect(watch.lostAfter(60_000, still)).toBe(SILENT_MS);
  });

  describe("when the session lock of an instance is gone", () => {
    const watchLock = (): Watch => Object.assign(new Watch(), { lockGone: true });

    test("calls it lost as soon as its beat has stood still for 1.5 s of its own looks", () => {
      expect(watchLock().lostAfter(60_000, still)).toBe(LOST_AFTER_MS.lockGone);
    });

    test("never calls it lost while its beat moves", () => {
      const everySecond = (nowMs: number): string => String(Math.floor(nowMs / 1000));
      expect(watchLock().lostAfter(60_000, everySecond)).toBeUndefined();
    });

    test("calls it lost at once when the lock goes after the beat has stood still", () => {
      const watch = new Watch();
      watch.lostAfter(10_000, still);
      watch.lockGone = true;
      expect(watch.lostAfter(0, still)).toBe(0);
    });

    test("gives it time to find back after a look that failed: the server may have been away", () => {
      const watch = watchLock();
      watch.lostAfter(1000, still);
      watch.observer.startAgain();
      expect(watch.lostAfter(60_000, still)).toBe(RECOVERY_MS);
    });

    test("gives it time after looks that were too far apart, too", () => {
      const watch = watchLock();
      watch.lostAfter(1000, still);
      watch.nowMs += 2000;
      expect(watch.lostAfter(60_000, still)).toBe(RECOVERY_MS);
    });
  });

  test("tells instances apart, and forgets those that are gone", () => {
    const watch = new Watch();
    const lost: string[][] = [];
    for (let look = 0; look <= 70; look++) {
      const others = look < 10 || look > 40 ? [{ worker: "on_and_off", beat: "1", lockGone: false }] : [];
      const all = [
        { worker: "alive", beat: String(look), lockGone: true },
        { worker: "dead", beat: "1", lockGone: false },
        ...others,
      ];
      lost.push(watch.observer.look(all));
      watch.nowMs += LOOK_MS;
    }
    expect(lost.slice(0, 60).flat()).toEqual([]);
    expect([lost[60], lost[70]]).toEqual([["dead"], ["dead"]]);
  });
});
