import { describe, expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { FAKE_START, FakeClock, openTestGoalpost } from "../../src/testing/index.ts";

describe("a fake clock", () => {
  test("stands still until it is moved, and tells the database the same", () => {
    const clock = new FakeClock(new Date(5000));
    expect([clock.now(), clock.now()]).toEqual([5000, 5000]);
    clock.advance(250);
    expect(clock.databaseNow()).toEqual(new Date(5250));
    expect(new FakeClock().now()).toBe(FAKE_START.getTime());
  });

  test("fires what becomes due in order, each at its own time", () => {
    const clock = new FakeClock(new Date(0));
    const fired: [string, number][] = [];
    const note = (name: string) => () => void fired.push([name, clock.now()]);
    clock.timer(30, note("c"));
    clock.timer(10, note("a"));
    clock.timer(20, note("b"));
    clock.timer(10, note("a too"));
    clock.timer(31, note("later"));
    clock.advance(30);
    expect(fired).toEqual([
      ["a", 10],
      ["a too", 10],
      ["b", 20],
      ["c", 30],
    ]);
  });

  test("fires timers that are set by timers on the way", () => {
    const clock = new FakeClock(new Date(0));
    const fired: number[] = [];
    const again = (): void => {
      fired.push(clock.now());
      clock.timer(10, again);
    };
    clock.timer(10, again);
    clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
  });

  test("does not fire what was called off", () => {
    const clock = new FakeClock();
    const cancel = clock.timer(10, () => {
      throw new Error("called off");
    });
    cancel();
    clock.advance(100);
  });
});

describe("openTestGoalpost", () => {
  test("opens a database in memory whose tasks are carried out by ticks, at the clock's time", async () => {
    await using t = await openTestGoalpost();
    const w = workflow("tested").step("now", { retry: { jitter: false } }, (_, ctx) => {
      if (ctx.attempt === 1) {
        throw new Error("again in a second");
      }
      return t.clock.now() - FAKE_START.getTime();
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.progress()).status).toBe("running");
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ now: 1000 });
  });
});
