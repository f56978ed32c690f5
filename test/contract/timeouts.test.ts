import { expect, test } from "vitest";
import { type RunFailedError, workflow } from "../../src/index.ts";
import { defer, rejection, untilAborted } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("timeouts and deadlines", (backend) => {
  test("an attempt that takes too long is aborted with STEP_TIMEOUT and tried again", async () => {
    const t = await backend.client();
    const reasons: unknown[] = [];
    const begun = defer();
    const options = { timeoutMs: 5000, maxAttempts: 2, retry: { baseMs: 0 } };
    const w = workflow("slow").step("slow", options, async (_, ctx) => {
      if (ctx.attempt === 1) {
        begun.resolve();
        await untilAborted(ctx.signal).catch((reason: unknown) => reasons.push(reason));
      }
      return ctx.attempt;
    });
    const handle = await t.gp.start(w, null);
    const settling = t.settle();
    await begun.promise;
    t.clock.advance(4999);
    expect(reasons).toEqual([]);
    t.clock.advance(1);
    await settling;
    expect(reasons).toMatchObject([{ code: "STEP_TIMEOUT" }]);
    expect((await handle.result()).output).toEqual({ slow: 2 });
  });

  test("a step that ignores its signal fails the run with STEP_TIMEOUT all the same", async () => {
    const t = await backend.client();
    const begun = defer();
    const w = workflow("deaf").step("deaf", { timeoutMs: 100, maxAttempts: 1 }, () => {
      begun.resolve();
      return new Promise<never>(() => undefined);
    });
    const handle = await t.gp.start(w, null);
    const ticking = t.tick();
    await begun.promise;
    t.clock.advance(100);
    await ticking;
    const error = await rejection<RunFailedError>(handle.result());
    expect(error).toMatchObject({
      failedTask: { id: "deaf", attempt: 1 },
      cause: { code: "STEP_TIMEOUT", message: expect.stringContaining("100 ms") },
    });
  });

  test("what an attempt returns after its timeout changes nothing", async () => {
    const t = await backend.client();
    const zombie = defer<string>();
    const second = defer<string>();
    const begun = [defer(), defer()];
    const options = { timeoutMs: 100, retry: { baseMs: 0 } };
    const w = workflow("zombie_resolves").step("slow", options, (_, ctx) => {
      begun[ctx.attempt - 1]?.resolve();
      return ctx.attempt === 1 ? zombie.promise : second.promise;
    });
    const handle = await t.gp.start(w, null);
    const settling = t.settle();
    await begun[0]?.promise;
    t.clock.advance(100);
    await begun[1]?.promise;
    zombie.resolve("from the dead");
    await zombie.promise;
    second.resolve("from the living");
    await settling;
    expect((await handle.result()).output).toEqual({ slow: "from the living" });
  });

  test("what an attempt throws after its timeout changes nothing and reaches nobody", async () => {
    const t = await backend.client();
    const zombie = defer<string>();
    const begun = defer();
    const options = { timeoutMs: 100, retry: { baseMs: 0 } };
    const w = workflow("zombie_rejects").step("slow", options, (_, ctx) => {
      begun.resolve();
      return ctx.attempt === 1 ? zombie.promise : "ok";
    });
    const handle = await t.gp.start(w, null);
    const settling = t.settle();
    await begun.promise;
    t.clock.advance(100);
    await settling;
    zombie.reject(new Error("an unhandled rejection would fail this test file"));
    await new Promise(setImmediate);
    expect((await handle.result()).output).toEqual({ slow: "ok" });
    expect((await t.gp.runs.get(handle.runId)).tasks[0]?.history).toHaveLength(1);
  });

  test("a run that is not done by its deadline fails with RUN_DEADLINE, wherever it is", async () => {
    const t = await backend.client();
    const w = workflow("late")
      .step("flaky", { retry: { baseMs: 3_600_000, jitter: false } }, (): number => {
        throw new Error("try again in an hour");
      })
      .step("after", { after: ["flaky"] }, () => 1);
    const handle = await t.gp.start(w, null, { deadlineMs: 1000 });
    await t.settle();
    t.clock.advance(999);
    await t.settle();
    expect((await handle.progress()).status).toBe("running");
    t.clock.advance(1);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      code: "RUN_FAILED",
      failedTask: null,
      cause: { code: "RUN_DEADLINE" },
    });
    expect(await backend.countByStatus(handle.runId)).toEqual({ cancelled: 3 });
  });

  test("a run that is done in time is left alone by its deadline", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      workflow("in_time").step("a", () => 1),
      null,
      { deadlineMs: 1000 },
    );
    await t.settle();
    t.clock.advance(2000);
    await t.settle();
    expect((await t.gp.runs.get(handle.runId)).status).toBe("completed");
  });

  test("the deadline aborts attempts that are running", async () => {
    const gp = await backend.liveClient();
    const w = workflow("aborted_by_deadline").step("slow", (_, ctx) => untilAborted(ctx.signal));
    const error = await rejection(gp.execute(w, null, { deadlineMs: 50 }));
    expect(error).toMatchObject({ cause: { code: "RUN_DEADLINE" } });
  });

  test("a deadline holds although every slot of the worker is taken", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const begun = defer();
    const release = defer();
    const w = workflow("full_house").step("slow", (_, ctx) => {
      begun.resolve();
      return Promise.race([untilAborted(ctx.signal), release.promise]);
    });
    const handle = await t.gp.start(w, null, { deadlineMs: 1000 });
    const ticking = t.tick();
    await begun.promise;
    t.clock.advance(1000);
    const looking = t.tick();
    await new Promise(setImmediate);
    const { status } = await waitForEnd(() => t.gp.runs.get(handle.runId));
    release.resolve();
    await Promise.all([ticking, looking]);
    expect(status).toBe("failed");
  });
});

/** Looks a few times: the exchange under way must have had its turn. */
async function waitForEnd<R extends { readonly finishedAt: Date | null }>(
  look: () => Promise<R>,
): Promise<R> {
  let seen = await look();
  for (let looks = 0; looks < 50 && seen.finishedAt === null; looks++) {
    seen = await look();
  }
  return seen;
}
