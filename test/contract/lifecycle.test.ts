import { expect, test, vi } from "vitest";
import { type Database, Goalpost, type PGliteLike, silentLogger, workflow } from "../../src/index.ts";
import { FAKE_START, FakeClock } from "../../src/testing/index.ts";
import { defer, rejection, untilAborted } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const UNKNOWN = "00000000-0000-7000-8000-000000000000";

describeOnEachBackend("cancelling", (backend) => {
  test("aborts running attempts and cancels every other task that is not final", async () => {
    const t = await backend.client();
    const begun = defer();
    const reason = defer<unknown>();
    const w = workflow("to_cancel")
      .step("done", () => "kept")
      .step("running", { after: ["done"] }, async (_, ctx) => {
        begun.resolve();
        await untilAborted(ctx.signal).catch(reason.resolve);
        return "too late";
      })
      .step("waiting", { after: ["running"] }, () => 1);
    const handle = await t.gp.start(w, null);
    const settling = t.settle();
    await begun.promise;
    expect(await handle.cancel("changed my mind")).toBe(true);
    expect(await reason.promise).toMatchObject({ code: "CANCELLED" });
    await settling;
    expect(await rejection(handle.result())).toMatchObject({
      code: "RUN_FAILED",
      failedTask: null,
      cause: { code: "CANCELLED", message: "changed my mind" },
    });
    const run = await t.gp.runs.get(handle.runId);
    expect(run).toMatchObject({ status: "cancelled", error: { code: "CANCELLED" } });
    expect(run.tasks.map(({ id, status, output }) => [id, status, output])).toEqual([
      ["done", "completed", "kept"],
      ["running", "cancelled", null],
      ["waiting", "cancelled", null],
    ]);
    expect(await backend.countByStatus(handle.runId)).toEqual({ completed: 1, cancelled: 3 });
  });

  test("what was ready does not start any more", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow("ready").step("a", () => ++calls);
    const handle = await t.gp.start(w, null);
    await t.gp.runs.cancel(handle.runId);
    await t.settle();
    expect(calls).toBe(0);
  });

  test("a run that has ended stays as it is, and cancel says so", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      workflow("ended").step("a", () => 1),
      null,
    );
    await t.settle();
    expect(await handle.cancel()).toBe(false);
    expect((await t.gp.runs.get(handle.runId)).status).toBe("completed");
  });

  test("a second cancel says that there was nothing to do, and the first reason stays", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      workflow("twice").step("a", () => 1),
      null,
    );
    expect([await handle.cancel("first"), await handle.cancel("second")]).toEqual([true, false]);
    expect((await t.gp.runs.get(handle.runId)).error).toMatchObject({ message: "first" });
  });

  test.each([UNKNOWN, "no-uuid", ""])("an unknown run is RUN_NOT_FOUND: %j", async (id) => {
    const t = await backend.client();
    const { runs } = t.gp;
    const answers = [runs.cancel(id), runs.get(id), runs.progress(id), runs.wait(id)];
    for (const error of await Promise.all(answers.map((answer) => rejection(answer)))) {
      expect(error).toMatchObject({ code: "RUN_NOT_FOUND" });
    }
  });

  test("aborting the signal given to execute cancels the run", async () => {
    const gp = await backend.liveClient();
    const controller = new AbortController();
    const w = workflow("aborted").step("slow", (_, ctx) => {
      controller.abort(new Error("the user left"));
      return untilAborted(ctx.signal);
    });
    const error = await rejection(gp.execute(w, null, { signal: controller.signal }));
    expect(error).toMatchObject({ cause: { code: "CANCELLED", message: "the user left" } });
  });

  test("a signal that is aborted already starts nothing", async () => {
    const gp = await backend.liveClient();
    const w = workflow("never_begun").step("a", () => 1);
    const reason = new Error("too late");
    expect(await rejection(gp.execute(w, null, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await gp.runs.list({ workflow: "never_begun" })).toEqual([]);
  });

  test("another client's cancel reaches the attempts that are running here", async () => {
    const here = await backend.liveClient();
    const there = await backend.client();
    const begun = defer<string>();
    const reason = defer<unknown>();
    const w = workflow("cancelled_elsewhere").step("slow", async (_, ctx) => {
      begun.resolve(ctx.runId);
      await untilAborted(ctx.signal).catch(reason.resolve);
    });
    const result = rejection(here.execute(w, null));
    await there.gp.runs.cancel(await begun.promise, { reason: "from there" });
    expect(await result).toMatchObject({ cause: { code: "CANCELLED", message: "from there" } });
    expect(await reason.promise).toMatchObject({ code: "CANCELLED" });
  });
});

/** The database, with the text of every statement written down. */
function recorded(database: Database, statements: string[]): Database {
  return new Proxy(database as PGliteLike, {
    get(target, key) {
      if (key === "query") {
        return (text: string, values?: unknown[]) => {
          statements.push(text);
          return target.query(text, values);
        };
      }
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describeOnEachBackend("waiting for runs", (backend) => {
  const one = workflow<number>("one").step("echo", ({ run }) => run);

  test("result() gives the output also after the end, as often as it is asked", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(one, 7);
    await t.settle();
    const results = [await handle.result(), await handle.result()];
    expect(results.map((result) => result.output)).toEqual([{ echo: 7 }, { echo: 7 }]);
  });

  test("result() asked before the end resolves at the end", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(one, 7);
    const result = handle.result();
    await t.settle();
    expect((await result).output).toEqual({ echo: 7 });
  });

  test("a run that is over is told of however short the time to wait is", async () => {
    const gp = await backend.liveClient();
    const { runId } = await gp.execute(one, 7);
    expect(await gp.runs.wait(runId, { timeoutMs: 1 })).toMatchObject({ output: { echo: 7 } });
  });

  test("wait gives up with WAIT_TIMEOUT and leaves the run alone", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(one, 7);
    const waiting = rejection(t.gp.runs.wait(handle.runId, { timeoutMs: 400 }));
    await vi.waitFor(() => {
      t.clock.advance(200);
      return Promise.race([waiting, Promise.reject(new Error("not yet"))]);
    });
    expect(await waiting).toMatchObject({ code: "WAIT_TIMEOUT" });
    await t.settle();
    expect(await t.gp.runs.wait(handle.runId)).toMatchObject({ status: "completed", output: { echo: 7 } });
  });

  test("an aborted wait rejects with the signal's reason and leaves the run alone", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(one, 7);
    const controller = new AbortController();
    const waiting = rejection(handle.result({ signal: controller.signal }));
    const reason = new Error("enough");
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    await t.settle();
    expect((await handle.result()).output).toEqual({ echo: 7 });
  });

  test("wait resolves with a failed run instead of throwing", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(one, 7);
    await handle.cancel("no");
    expect(await t.gp.runs.wait(handle.runId)).toMatchObject({
      status: "cancelled",
      error: { message: "no" },
    });
  });

  test.each([Number.NaN, -1, "soon" as never])(
    "a timeoutMs of %s is refused with INVALID_INPUT",
    async (timeoutMs) => {
      const t = await backend.client();
      const handle = await t.gp.start(one, 7);
      const waiting = rejection(t.gp.runs.wait(handle.runId, { timeoutMs }));
      await handle.cancel();
      expect(await waiting).toMatchObject({ code: "INVALID_INPUT" });
    },
  );

  test("an execute whose start was refused is waited for by nobody", async () => {
    const statements: string[] = [];
    const t = await backend.client({ database: recorded(backend.database, statements) });
    await rejection(t.gp.execute(one, Number.NaN));
    statements.length = 0;
    for (let look = 0; look < 5; look++) {
      t.clock.advance(1000);
      await new Promise(setImmediate);
    }
    expect(statements).toEqual([]);
  });

  test("a run that another client carries out is waited for, too", async () => {
    const owner = await backend.client();
    const watcher = await backend.liveClient({ workers: false });
    const handle = await owner.gp.start(one, 7);
    const waiting = watcher.runs.wait(handle.runId);
    await owner.settle();
    expect(await waiting).toMatchObject({ status: "completed", output: { echo: 7 } });
  });
});

describeOnEachBackend("closing", (backend) => {
  test("rejects who waits with CLOSED", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      workflow("unfinished").step("a", () => 1),
      null,
    );
    const waiting = [rejection(handle.result()), rejection(t.gp.runs.wait(handle.runId))];
    await t.gp.runs.get(handle.runId);
    await t.close();
    expect(await Promise.all(waiting)).toMatchObject([{ code: "CLOSED" }, { code: "CLOSED" }]);
  });

  test("aborts what is running when the grace is over, and puts it back uncounted", async () => {
    const gp = await Goalpost.open({ database: backend.database, logger: silentLogger });
    const begun = defer();
    const reason = defer<unknown>();
    const w = workflow("put_back").step("slow", async (_, ctx) => {
      begun.resolve();
      await untilAborted(ctx.signal).catch(reason.resolve);
    });
    const handle = await gp.start(w, null);
    await begun.promise;
    await gp.close({ graceMs: 0 });
    expect(await reason.promise).toMatchObject({ code: "CANCELLED" });
    const [task] = await backend.query(
      "select status, failures, losses from goalpost.tasks where run_id = $1::uuid and position = 0",
      [handle.runId],
    );
    expect(task).toEqual({ status: "ready", failures: 0, losses: 0 });
    const waiting = await backend.query("select 1 from goalpost.ready where run_id = $1::uuid", [
      handle.runId,
    ]);
    expect(waiting).toHaveLength(1);
  });

  test("waits for what is running within the grace, and stores it", async () => {
    const gp = await Goalpost.open({ database: backend.database, logger: silentLogger });
    const begun = defer();
    const release = defer<string>();
    const w = workflow("drained").step("slow", () => {
      begun.resolve();
      return release.promise;
    });
    const handle = await gp.start(w, null);
    await begun.promise;
    const closing = gp.close();
    release.resolve("done");
    await closing;
    const t = await backend.client();
    expect(await t.gp.runs.get(handle.runId)).toMatchObject({
      status: "completed",
      output: { slow: "done" },
    });
  });

  test("marks the instance as stopped, and its unfinished local runs as ownerless", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      workflow("left_behind").step("a", () => 1),
      null,
    );
    const other = await backend.client();
    expect((await other.gp.runs.get(handle.runId)).ownerless).toBe(false);
    await t.close();
    expect((await other.gp.runs.get(handle.runId)).ownerless).toBe(true);
  });

  test("closing twice is closing once", async () => {
    const gp = await Goalpost.open({ database: backend.database, logger: silentLogger });
    await Promise.all([gp.close(), gp.close()]);
    await gp.close();
  });

  test.each([
    [
      "start",
      (gp: Goalpost) =>
        gp.start(
          workflow("late").step("a", () => 1),
          null,
        ),
    ],
    [
      "execute",
      (gp: Goalpost) =>
        gp.execute(
          workflow("late").step("a", () => 1),
          null,
        ),
    ],
    [
      "startGoal",
      (gp: Goalpost) => gp.startGoal("late", () => [{ id: "a", description: "" }], { a: () => 1 }),
    ],
    ["tick", (gp: Goalpost) => gp.tick()],
  ] as const)("%s on a closed client rejects with CLOSED", async (_, call) => {
    const t = await backend.client();
    await t.close();
    const late = new Promise((_resolve, reject) => {
      setTimeout(reject, 1000, new Error("no answer within 1 s")).unref();
    });
    expect(await rejection(Promise.race([call(t.gp), late]))).toMatchObject({ code: "CLOSED" });
  });
});

describeOnEachBackend("an instance that fell silent", (backend) => {
  test("is lost after 30 s of another's looks: its run can be taken over, and it is refused", async () => {
    const silent = await backend.client();
    const begun = defer();
    const release = defer<string>();
    const tasks = [{ id: "work", description: "" }];
    const handle = await silent.gp.startGoal("outlive", () => tasks, {
      work: () => {
        begun.resolve();
        return release.promise;
      },
    });
    const settling = silent.settle();
    await begun.promise;

    const clock = new FakeClock();
    const other = await backend.liveClient({ clock });
    const status = async (): Promise<unknown> => (await other.runs.get(handle.runId)).tasks[0]?.status;
    const passUntilLost = async (): Promise<number> => {
      for (let passedMs = 0; passedMs < 60_000; passedMs += 500) {
        if ((await status()) !== "running") {
          return passedMs;
        }
        clock.advance(500);
        await new Promise(setImmediate);
      }
      return Number.NaN;
    };
    const passedMs = await passUntilLost();
    expect(passedMs).toBeGreaterThanOrEqual(30_000);
    expect(passedMs).toBeLessThan(45_000);

    const again = await other.startGoal("outlive", () => tasks, { work: () => "other" }, { resume: true });
    expect(again).toMatchObject({ runId: handle.runId, resumed: "taken over" });
    expect((await again.result()).output).toEqual({ work: "other" });
    release.resolve("silent");
    await settling;
    const run = await other.runs.get(handle.runId);
    expect(run).toMatchObject({ status: "completed", output: { work: "other" } });
    expect(run.tasks).toMatchObject([{ attempts: 1, history: [{ outcome: "lost" }] }]);
  });
});

describeOnEachBackend("starting", (backend) => {
  test("runs of a higher priority are carried out first, equal ones in the order of their start", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const order: string[] = [];
    const w = workflow<string>("ordered").step("note", async ({ run }) => {
      order.push(run);
      await new Promise(setImmediate);
    });
    for (const [name, priority] of [
      ["low", -1],
      ["first", undefined],
      ["second", 0],
      ["urgent", 5],
      ["high", 1],
    ] as const) {
      await t.gp.start(w, name, { priority });
      t.clock.advance(1);
    }
    await t.settle();
    expect(order).toEqual(["urgent", "high", "first", "second", "low"]);
  });

  test("within a run the longest way goes first", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const order: string[] = [];
    const note = (name: string) => async () => {
      order.push(name);
      await new Promise(setImmediate);
    };
    const w = workflow("ranked")
      .step("short", note("short"))
      .step("long_1", note("long_1"))
      .step("long_2", { after: ["long_1"] }, note("long_2"))
      .step("long_3", { after: ["long_2"] }, note("long_3"));
    await t.gp.start(w, null);
    await t.settle();
    expect(order.indexOf("long_1")).toBe(0);
    expect(order.indexOf("long_2")).toBe(1);
  });

  test("a worker never carries out more tasks at once than it has slots", async () => {
    const gp = await backend.liveClient({ workers: { concurrency: 3 } });
    let running = 0;
    let most = 0;
    const w = workflow<number>("slots").step("busy", async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    });
    await Promise.all(Array.from({ length: 30 }, (_, input) => gp.execute(w, input)));
    expect(most).toBe(3);
  });

  test("times are those of the clock, and in order", async () => {
    const t = await backend.client();
    const w = workflow("times")
      .step("first", async () => {
        t.clock.advance(100);
      })
      .step("second", { after: ["first"] }, async () => {
        t.clock.advance(100);
      });
    const handle = await t.gp.start(w, null);
    t.clock.advance(10);
    await t.settle();
    const at = (passedMs: number): Date => new Date(FAKE_START.getTime() + passedMs);
    const run = await t.gp.runs.get(handle.runId);
    expect(run).toMatchObject({ createdAt: FAKE_START, finishedAt: at(210) });
    expect(run.tasks).toMatchObject([
      { id: "first", dependsOn: [], startedAt: at(10), finishedAt: at(110) },
      { id: "second", dependsOn: ["first"], startedAt: at(110), finishedAt: at(210) },
    ]);
  });

  test("a cancelled run ends at the clock's time, too", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      workflow("cancelled_at").step("a", () => 1),
      null,
    );
    t.clock.advance(1234);
    await handle.cancel();
    const finishedAt = new Date(FAKE_START.getTime() + 1234);
    const run = await t.gp.runs.get(handle.runId);
    expect(run).toMatchObject({ finishedAt, tasks: [{ finishedAt }] });
  });

  test("labels and times are kept with the run", async () => {
    const t = await backend.client();
    const w = workflow<{ order: number }>("labelled").step("a", () => 1);
    const handle = await t.gp.start(w, { order: 1 }, { labels: { customer: "acme", plan: "pro" } });
    t.clock.advance(1500);
    await t.settle();
    expect(await t.gp.runs.get(handle.runId)).toMatchObject({
      id: handle.runId,
      workflow: "labelled",
      source: "static",
      input: { order: 1 },
      labels: { customer: "acme", plan: "pro" },
      retryOf: null,
      graph: null,
      createdAt: FAKE_START,
      finishedAt: new Date(FAKE_START.getTime() + 1500),
    });
  });

  test("progress counts tasks, and is 100 only when the run is completed", async () => {
    const t = await backend.client();
    const begun = defer();
    const release = defer();
    const w = workflow("progress")
      .step("a", () => 1)
      .step("b", { after: ["a"] }, () => {
        begun.resolve();
        return release.promise;
      })
      .step("c", { after: ["b"] }, () => 1);
    const handle = await t.gp.start(w, null);
    const settling = t.settle();
    await begun.promise;
    expect(await handle.progress()).toEqual({
      status: "running",
      totalTasks: 3,
      completedTasks: 1,
      runningTasks: 1,
      failedTasks: 0,
      skippedTasks: 0,
      cancelledTasks: 0,
      waitingTasks: 1,
      percentage: 33,
    });
    release.resolve();
    await settling;
    expect(await handle.progress()).toMatchObject({ status: "completed", percentage: 100 });
  });

  test("runs are listed newest first, by workflow and status, in pages", async () => {
    const t = await backend.client();
    const w = workflow<number>("listed").step("a", ({ run }) => run);
    const ids: string[] = [];
    for (const input of [0, 1, 2, 3]) {
      ids.unshift((await t.gp.start(w, input)).runId);
      t.clock.advance(1000);
    }
    await t.gp.runs.cancel(ids[0] ?? "");
    await t.settle();
    const list = async (filter: object): Promise<number[]> =>
      (await t.gp.runs.list({ workflow: "listed", ...filter })).map((run) => ids.indexOf(run.id));
    expect(await list({})).toEqual([0, 1, 2, 3]);
    expect(await list({ status: "completed" })).toEqual([1, 2, 3]);
    expect(await list({ limit: 2, offset: 1 })).toEqual([1, 2]);
  });

  test.each([{ limit: 0 }, { limit: 1.5 }, { limit: 2 ** 31 }, { offset: -1 }, { status: "done" as never }])(
    "filters that cannot be are refused with INVALID_INPUT: %j",
    async (filter) => {
      const t = await backend.client();
      expect(await rejection(t.gp.runs.list(filter))).toMatchObject({ code: "INVALID_INPUT" });
    },
  );

  test.each([{ priority: 1.5 }, { deadlineMs: 0 }, { labels: { a: 1 } as never }, { priority: 2 ** 40 }])(
    "options that cannot be are refused with INVALID_INPUT: %j",
    async (options) => {
      const t = await backend.client();
      const w = workflow("refused").step("a", () => 1);
      expect(await rejection(t.gp.start(w, null, options))).toMatchObject({ code: "INVALID_INPUT" });
    },
  );
});
