import { describe, expect, test } from "vitest";
import { LEASE_MS, Lease } from "../../src/engine/lease.ts";
import { FakeClock } from "../../src/testing/index.ts";

/** A lease, and when it lapsed. */
function makeLease() {
  const clock = new FakeClock();
  const lapses: number[] = [];
  const lease = new Lease(clock, () => lapses.push(clock.now()));
  return { clock, lapses, lease };
}

describe("a lease", () => {
  test("lasts 25 s after the last beat that was acknowledged, counted from when it was sent", () => {
    const { clock, lapses, lease } = makeLease();
    const sentAt = clock.now();
    clock.advance(300);
    lease.renew(sentAt);
    clock.advance(60_000);
    expect(lapses).toEqual([sentAt + LEASE_MS.otherwise]);
  });

  test("that was stopped is not renewed by the answer to a beat that was on its way", () => {
    const { clock, lapses, lease } = makeLease();
    lease.renew(clock.now());
    lease.stop();
    lease.renew(clock.now());
    clock.advance(60_000);
    expect(lapses).toEqual([]);
  });

  test("does not lapse while beats are acknowledged", () => {
    const { clock, lapses, lease } = makeLease();
    for (let second = 0; second < 60; second++) {
      lease.renew(clock.now());
      clock.advance(1000);
    }
    expect(lapses).toEqual([]);
  });

  test("lasts 1.2 s after the last beat once the lock connection is down", () => {
    const { clock, lapses, lease } = makeLease();
    const sentAt = clock.now();
    lease.renew(sentAt);
    clock.advance(500);
    lease.lockChanged(true);
    clock.advance(60_000);
    expect(lapses).toEqual([sentAt + LEASE_MS.lockGone]);
  });

  test("is over at once when the lock breaks after a long silence", () => {
    const { clock, lapses, lease } = makeLease();
    lease.renew(clock.now());
    clock.advance(5000);
    lease.lockChanged(true);
    clock.advance(0);
    expect(lapses).toEqual([clock.now()]);
  });

  test("is as long as before when the connection is there again", () => {
    const { clock, lapses, lease } = makeLease();
    lease.renew(clock.now());
    lease.lockChanged(true);
    clock.advance(1000);
    lease.lockChanged(false);
    clock.advance(10_000);
    expect(lapses).toEqual([]);
  });

  test("does not lapse before the first beat, nor after it was given up", () => {
    const { clock, lapses, lease } = makeLease();
    lease.lockChanged(true);
    clock.advance(60_000);
    lease.renew(clock.now());
    lease.stop();
    clock.advance(60_000);
    expect(lapses).toEqual([]);
  });
});
