import { describe, expect, test } from "vitest";
import { LOST_AFTER_MS, Observer, RECOVERY_MS } from "../../src/engine/observer.ts";

const LOOK_MS = 500;

/** An observer of one instance, and a clock that is set by hand. */
class Watch {
  nowMs = 0;
  readonly observer = new Observer({
    now: () => this.nowMs,
    databaseNow: () => null,
    timer: () => () => undefined,
  });

  /** Looks every half second for that long; returns after how long the instance was first called lost, if it was. */
  lostAfter(forMs: number, beatAt: (nowMs: number) => string): number | undefined {
    for (let passedMs = 0; passedMs <= forMs; passedMs += LOOK_MS) {
      if (this.observer.look([{ worker: "w", beat: beatAt(this.nowMs) }]).length > 0) {
        return passedMs;
      }
      this.nowMs += LOOK_MS;
    }
    return undefined;
  }
}

const still = (): string => "7";

describe("an observer", () => {
  test("calls an instance lost when its beat has stood still for 30 s of its own looks", () => {
    expect(new Watch().lostAfter(60_000, still)).toBe(LOST_AFTER_MS);
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
    expect(watch.lostAfter(60_000, still)).toBe(LOST_AFTER_MS);
  });

  test("starts again when it was asleep itself", () => {
    const watch = new Watch();
    watch.lostAfter(1000, still);
    watch.nowMs += LOST_AFTER_MS;
    expect(watch.lostAfter(60_000, still)).toBe(LOST_AFTER_MS);
  });

  test("starts again when its clock was set back", () => {
    const watch = new Watch();
    watch.nowMs = 100_000;
    watch.lostAfter(1000, still);
    watch.nowMs = 0;
    expect(watch.lostAfter(60_000, still)).toBe(LOST_AFTER_MS);
  });

  test("tells instances apart, and forgets those that are gone", () => {
    const watch = new Watch();
    const lost: string[][] = [];
    for (let look = 0; look <= 70; look++) {
      const others = look < 10 || look > 40 ? [{ worker: "on_and_off", beat: "1" }] : [];
      const all = [{ worker: "alive", beat: String(look) }, { worker: "dead", beat: "1" }, ...others];
      lost.push(watch.observer.look(all));
      watch.nowMs += LOOK_MS;
    }
    expect(lost.slice(0, 60).flat()).toEqual([]);
    expect([lost[60], lost[70]]).toEqual([["dead"], ["dead"]]);
  });
});
