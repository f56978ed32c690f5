import { expect, test } from "vitest";
import { type RunFailedError, type StepContext, workflow } from "../../src/index.ts";
import { defer, rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

type Ctx = StepContext<never, null>;

/** A workflow of one step. */
const one = <T>(name: string, fn: (ctx: Ctx) => T | Promise<T>, options = {}) =>
  workflow(name).step("s", options, (_, ctx) => fn(ctx as unknown as Ctx));

const DAY = 24 * 3_600_000;

describeOnEachBackend("ctx.sleep", (backend) => {
  test("frees the slot and calls the step again when the time is over", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    let calls = 0;
    const unwound: string[] = [];
    const w = one("nap", async (ctx) => {
      calls += 1;
      try {
        await ctx.sleep(5000);
      } finally {
        unwound.push("finally");
      }
      return ctx.attempt;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const { tasks } = await t.gp.runs.get(handle.runId);
    expect(tasks[0]).toMatchObject({
      status: "suspended",
      waitingFor: [
        { kind: "sleep", name: null, since: new Date(t.clock.now()), dueAt: new Date(t.clock.now() + 5000) },
      ],
    });
    // The only slot is free.
    const other = await t.gp.start(
      one("other", () => 1),
      null,
    );
    await t.settle();
    expect((await other.result()).output).toEqual({ s: 1 });
    t.clock.advance(4999);
    await t.settle();
    expect(calls).toBe(1);
    t.clock.advance(1);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: 1 });
    expect({ calls, unwound }).toEqual({ calls: 2, unwound: ["finally", "finally"] });
    expect((await t.gp.runs.get(handle.runId)).tasks[0]).toMatchObject({
      attempts: 1,
      history: [],
      waitingFor: [],
    });
  });

  test("several times in one step happen one after the other, each once", async () => {
    const t = await backend.client();
    const made: number[] = [];
    const w = one("naps", async (ctx) => {
      for (let index = 0; index < 3; index++) {
        await ctx.sleep(1000);
        await ctx.once(`made ${index}`, () => made.push(index));
      }
    });
    const handle = await t.gp.start(w, null);
    for (let second = 0; second < 3; second++) {
      await t.settle();
      t.clock.advance(1000);
    }
    await t.settle();
    await handle.result();
    expect(made).toEqual([0, 1, 2]);
  });

  test("takes times longer than 32 bits of milliseconds", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      one("long", (ctx) => ctx.sleep(60 * DAY)),
      null,
    );
    await t.settle();
    t.clock.advance(60 * DAY - 1);
    await t.settle();
    expect((await handle.progress()).status).toBe("running");
    t.clock.advance(1);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: null });
  });

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, 1e15, "5" as never])("refuses %s", async (ms) => {
    const t = await backend.client();
    const handle = await t.gp.start(
      one("bad_nap", (ctx) => ctx.sleep(ms)),
      null,
    );
    await t.settle();
    const error = await rejection<RunFailedError>(handle.result());
    expect(error).toMatchObject({ failedTask: { attempt: 1 }, cause: { code: "INVALID_INPUT" } });
  });

  test("costs no attempt and gives the step its whole timeout again", async () => {
    const t = await backend.client();
    const begun = defer();
    const release = defer();
    const w = one(
      "timeouts",
      async (ctx) => {
        await ctx.sleep(10_000);
        begun.resolve();
        await release.promise;
        return ctx.attempt;
      },
      { timeoutMs: 1000, maxAttempts: 1 },
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(10_000);
    const ticking = t.tick();
    await begun.promise;
    t.clock.advance(999);
    release.resolve();
    await ticking;
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: 1 });
  });

  test("keeps its answer over a retry of the step", async () => {
    const t = await backend.client();
    const w = one(
      "flaky_after_nap",
      async (ctx) => {
        await ctx.sleep(1000);
        if (ctx.attempt === 1) {
          throw new Error("not yet");
        }
        return ctx.attempt;
      },
      { retry: { baseMs: 0 } },
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: 2 });
  });

  test("goes on after a pause of the run, not during it", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      one("paused_nap", (ctx) => ctx.sleep(1000)),
      null,
    );
    await t.settle();
    await t.gp.runs.pause(handle.runId);
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.progress()).status).toBe("paused");
    await t.gp.runs.resume(handle.runId);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: null });
  });

  test("is over when the run is cancelled", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      one("cancelled_nap", (ctx) => ctx.sleep(1000)),
      null,
    );
    await t.settle();
    await t.gp.runs.cancel(handle.runId);
    t.clock.advance(1000);
    expect(await t.tick()).toBe(0);
    expect(await backend.countByStatus(handle.runId)).toEqual({ cancelled: 2 });
    expect((await t.gp.runs.get(handle.runId)).tasks[0]?.waitingFor).toEqual([]);
  });

  test("a suspension that is swallowed does not complete the task, and ctx is closed after it", async () => {
    const t = await backend.client();
    const after: string[] = [];
    const w = one("swallow", async (ctx) => {
      try {
        await ctx.sleep(1000);
      } catch (error) {
        after.push((error as Error).name);
        after.push(await rejection<Error>(ctx.once("x", () => 1)).then((late) => late.name));
        after.push(await rejection<Error>(ctx.sleep(1)).then((late) => late.name));
        return "swallowed";
      }
      return "slept";
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(after).toEqual(["Suspension", "Suspension", "Suspension"]);
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "slept" });
  });

  test("another error thrown instead of the suspension is no failure", async () => {
    const t = await backend.client();
    const w = one(
      "wrapped",
      (ctx) =>
        ctx.sleep(1000).catch((cause: unknown) => {
          throw new Error("wrapped", { cause });
        }),
      { maxAttempts: 1 },
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: null });
  });
});

describeOnEachBackend("several waits at once", (backend) => {
  test("Promise.all over waits is done when all are", async () => {
    const t = await backend.client();
    const w = one("all", async (ctx) =>
      Promise.all([ctx.waitFor("a"), ctx.sleep(1000).then(() => 1), ctx.waitFor<string>("b")]),
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await t.gp.runs.get(handle.runId)).tasks[0]?.waitingFor.map((wait) => wait.name)).toEqual([
      "a",
      null,
      "b",
    ]);
    await t.gp.runs.signal(handle.runId, "b", "B");
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    await t.gp.runs.signal(handle.runId, "a", "A");
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: ["A", 1, "B"] });
  });

  test("Promise.allSettled over waits does not take the suspension for a result", async () => {
    const t = await backend.client();
    const w = one("all_settled", async (ctx) => Promise.allSettled([ctx.sleep(1000), ctx.waitFor("b")]));
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.progress()).status).toBe("running");
    await t.gp.runs.signal(handle.runId, "b", 1);
    await t.settle();
    expect((await handle.result()).output).toEqual({
      s: [{ status: "fulfilled" }, { status: "fulfilled", value: 1 }],
    });
  });

  test("Promise.race is won by the earliest, and the step goes on with work that ctx knows nothing of", async () => {
    const t = await backend.client();
    const w = one("race", async (ctx) => {
      const winner = await Promise.race([
        ctx.waitFor("go").then(() => "signal"),
        ctx.sleep(1000).then(() => "timeout"),
      ]);
      for (let turn = 0; turn < 10; turn++) {
        await new Promise(setImmediate);
      }
      return winner;
    });
    const slow = await t.gp.start(w, null);
    const fast = await t.gp.start(w, null);
    await t.settle();
    await t.gp.runs.signal(fast.runId, "go", null);
    await t.settle();
    expect((await fast.result()).output).toEqual({ s: "signal" });
    t.clock.advance(1000);
    await t.settle();
    expect((await slow.result()).output).toEqual({ s: "timeout" });
  });

  test("a race that is decided stays so, whatever is answered later", async () => {
    const t = await backend.client();
    const winners: string[] = [];
    const w = one("decided", async (ctx) => {
      const late = ctx.sleep(2000).then(() => "late");
      const early = ctx.sleep(1000).then(() => "early");
      const winner = await Promise.race([late, early]);
      winners.push(winner);
      await ctx.sleep(5000);
      return winner;
    });
    const handle = await t.gp.start(w, null);
    for (let second = 0; second < 8; second++) {
      await t.settle();
      t.clock.advance(1000);
    }
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "early" });
    expect(new Set(winners)).toEqual(new Set(["early"]));
  });

  test("of times that were over together the earlier one wins", async () => {
    const t = await backend.client();
    const w = one("both_due", (ctx) =>
      Promise.race([ctx.sleep(2000).then(() => "late"), ctx.sleep(1000).then(() => "early")]),
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(10_000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "early" });
  });

  test("what lost a race can be waited for after it", async () => {
    const t = await backend.client();
    const reminders: number[] = [];
    const w = one("remind", async (ctx) => {
      const answer = ctx.waitFor<string>("answer");
      for (let day = 1; day < 3; day++) {
        const first = await Promise.race([answer, ctx.sleep(DAY)]);
        if (first !== undefined && first !== null) {
          return first;
        }
        await ctx.once(`remind ${day}`, () => reminders.push(day));
      }
      return await answer;
    });
    const handle = await t.gp.start(w, null);
    for (let day = 0; day < 4; day++) {
      await t.settle();
      t.clock.advance(DAY);
    }
    await t.settle();
    expect((await handle.progress()).status).toBe("running");
    await t.gp.runs.signal(handle.runId, "answer", "yes");
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "yes" });
    expect(reminders).toEqual([1, 2]);
  });

  test("a wait that nobody waits for holds nothing up", async () => {
    const t = await backend.client();
    const w = one("floating", async (ctx) => {
      void ctx.sleep(1000);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return "done";
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "done" });
  });

  test("ctx.once beside a wait is finished and kept before the step is parked", async () => {
    const t = await backend.client();
    let made = 0;
    const w = one("beside", async (ctx) => {
      const [value] = await Promise.all([
        ctx.once("work", async () => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          made += 1;
          return made;
        }),
        ctx.sleep(1000),
      ]);
      return value;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: 1 });
  });

  test("a wait within ctx.once times out, and the message says why", async () => {
    const t = await backend.client();
    const begun = defer();
    const w = one(
      "within_once",
      (ctx) =>
        ctx.once("k", async () => {
          begun.resolve();
          await ctx.sleep(10);
        }),
      { timeoutMs: 1000, maxAttempts: 1 },
    );
    const handle = await t.gp.start(w, null);
    const ticking = t.tick();
    await begun.promise;
    t.clock.advance(1000);
    await ticking;
    const error = await rejection<RunFailedError>(handle.result());
    expect(error.cause).toMatchObject({
      code: "STEP_TIMEOUT",
      message: expect.stringContaining("within ctx.once"),
    });
  });

  test("a key used for another kind of wait fails the step at once", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = one("mixed", async (ctx) => {
      calls += 1;
      await (calls === 1 ? ctx.sleep(1000, { key: "k" }) : ctx.waitFor("k", { key: "k" }));
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    const error = await rejection<RunFailedError>(handle.result());
    expect(error).toMatchObject({ failedTask: { attempt: 1 }, cause: { code: "INVALID_STATE" } });
    expect(error.cause.message).toContain("wait k of this task is a sleep");
  });

  test("one key is one wait", async () => {
    const t = await backend.client();
    const w = one("same_key", async (ctx) => {
      await ctx.sleep(1000, { key: "k" });
      await ctx.sleep(1000, { key: "k" });
      return "woke once";
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "woke once" });
  });

  test.each(["", "/1", "\u0000", "\ud800", "x".repeat(257), 5 as never])(
    "refuses the key %j",
    async (key) => {
      const t = await backend.client();
      const handle = await t.gp.start(
        one("bad_key", (ctx) => ctx.sleep(1, { key })),
        null,
      );
      await t.settle();
      expect(await rejection(handle.result())).toMatchObject({ cause: { code: "INVALID_INPUT" } });
    },
  );
});

describeOnEachBackend("signals", (backend) => {
  const collect = one("collect", async (ctx) => [await ctx.waitFor("s"), await ctx.waitFor("s")]);

  test("are given to waits in the order in which they came, each once", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(collect, null);
    await t.settle();
    await t.gp.runs.signal(handle.runId, "s", 1);
    await t.gp.runs.signal(handle.runId, "s", 2);
    await t.gp.runs.signal(handle.runId, "s", 3);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: [1, 2] });
    const kept = await backend.query(
      "select payload::text from goalpost.signals where run_id = $1::uuid and consumed_position is null",
      [handle.runId],
    );
    expect(kept).toEqual([{ payload: "3" }]);
  });

  test("that come before anybody waits are kept", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(collect, null);
    await t.gp.runs.signal(handle.runId, "other", 0);
    await t.gp.runs.signal(handle.runId, "s", "early");
    await t.gp.runs.signal(handle.runId, "s", "bird");
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: ["early", "bird"] });
  });

  test("that come while the step runs are there when it waits", async () => {
    const t = await backend.client();
    const begun = defer();
    const go = defer();
    const w = one("meanwhile", async (ctx) => {
      begun.resolve();
      await go.promise;
      return ctx.waitFor("s");
    });
    const handle = await t.gp.start(w, null);
    const ticking = t.tick();
    await begun.promise;
    await t.gp.runs.signal(handle.runId, "s", "meanwhile");
    go.resolve();
    await ticking;
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "meanwhile" });
  });

  test("wake one waiter each, the one that waits longest first", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const wait = (_: unknown, ctx: Pick<Ctx, "waitFor">) => ctx.waitFor("s");
    const w = workflow("waiters").step("a", wait).step("b", wait).step("c", wait);
    const handle = await t.gp.start(w, null);
    for (let task = 0; task < 3; task++) {
      await t.settle();
      t.clock.advance(1);
    }
    const parked = await backend.query<{ position: number }>(
      "select position from goalpost.waits where run_id = $1::uuid order by created_at",
      [handle.runId],
    );
    const statuses = async () =>
      (await t.gp.runs.get(handle.runId)).tasks.map((task) => task.status).toSorted();
    await t.gp.runs.signal(handle.runId, "s", 1);
    await t.settle();
    expect(await statuses()).toEqual(["completed", "suspended", "suspended"]);
    expect((await t.gp.runs.get(handle.runId)).tasks[parked[0]?.position ?? 9]?.status).toBe("completed");
    await t.gp.runs.signal(handle.runId, "s", 2);
    await t.gp.runs.signal(handle.runId, "s", 3);
    await t.settle();
    expect(Object.values((await handle.result()).output).toSorted()).toEqual([1, 2, 3]);
  });

  test.each([["\u0000 \ud800 \u2028 \\ ' 😀"], [{ "\u0000": [null, 1e-7, "x".repeat(10_000)] }], [null]])(
    "carry any JSON value (%#)",
    async (payload) => {
      const t = await backend.client();
      const handle = await t.gp.start(
        one("any_payload", (ctx) => ctx.waitFor("s")),
        null,
      );
      await t.settle();
      await t.gp.runs.signal(handle.runId, "s", payload);
      await t.settle();
      expect((await handle.result()).output).toEqual({ s: payload });
    },
  );

  test("are refused with what JSON cannot hold, with bad names, for unknown runs and for runs that have ended", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      one("ended", () => 1),
      null,
    );
    const { runs } = t.gp;
    expect(await rejection(runs.signal(handle.runId, "s", Number.NaN))).toMatchObject({
      code: "INVALID_INPUT",
    });
    expect(await rejection(runs.signal(handle.runId, "no spaces", 1))).toMatchObject({
      code: "INVALID_INPUT",
    });
    expect(await rejection(runs.signal("nobody", "s", 1))).toMatchObject({ code: "RUN_NOT_FOUND" });
    await t.settle();
    const error = await rejection(runs.signal(handle.runId, "s", 1));
    expect(error).toMatchObject({ code: "INVALID_STATE", message: expect.stringContaining("completed") });
  });

  test("that do not come in time end the wait with WAIT_TIMEOUT, which the step can catch", async () => {
    const t = await backend.client();
    const w = one("in_time", async (ctx) => {
      const codes: unknown[] = [];
      for (let wait = 0; wait < 2; wait++) {
        codes.push(
          await ctx.waitFor("s", { timeoutMs: 1000 }).catch((error: { code?: string }) => {
            if (error.code === undefined) {
              throw error;
            }
            return error.code;
          }),
        );
      }
      return codes;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    // Too late for the first wait: it is the second one's.
    await t.gp.runs.signal(handle.runId, "s", "late");
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: ["WAIT_TIMEOUT", "late"] });
  });

  test("that do not come in time fail a step that does not catch, without a retry", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      one("timed_out", (ctx) => ctx.waitFor("s", { timeoutMs: 1000 })),
      null,
    );
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: { attempt: 1 },
      cause: { code: "WAIT_TIMEOUT" },
    });
  });

  test("are not spent on a wait that the step has given up", async () => {
    const t = await backend.client();
    const w = one("gave_up", async (ctx) => {
      const first = await Promise.race([ctx.waitFor("s"), ctx.sleep(1000)]);
      return [first ?? null, await ctx.waitFor("s")];
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    await t.gp.runs.signal(handle.runId, "s", "second");
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: [null, "second"] });
  });

  test("reach a step of a goal", async () => {
    const t = await backend.client();
    const handle = await t.gp.startGoal("wait", () => [{ id: "a", description: "a" }], {
      a: (_, ctx) => ctx.waitFor<number>("s"),
    });
    await t.settle();
    await t.gp.runs.signal(handle.runId, "s", 7);
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: 7 });
  });
});
