import { expect, test } from "vitest";
import { NonRetryableError, RetryAfterError, type RunFailedError, workflow } from "../../src/index.ts";
import { FAKE_START } from "../../src/testing/index.ts";
import { rejection, untilAborted } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const START_MS = FAKE_START.getTime();

describeOnEachBackend("retries", (backend) => {
  test("a task that fails goes round with growing waits, by the clock", async () => {
    const t = await backend.client();
    const triedAt: number[] = [];
    const retry = { baseMs: 1000, factor: 10, jitter: false };
    const w = workflow("backoff").step("flaky", { maxAttempts: 4, retry }, (_, ctx) => {
      triedAt.push(t.clock.now() - START_MS);
      if (ctx.attempt < 4) {
        throw new Error(`attempt ${ctx.attempt}`);
      }
      return ctx.attempt;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    for (const delayMs of [1000, 10_000, 100_000]) {
      t.clock.advance(delayMs - 1);
      await t.settle();
      t.clock.advance(1);
      await t.settle();
    }
    expect((await handle.result()).output).toEqual({ flaky: 4 });
    expect(triedAt).toEqual([0, 1000, 11_000, 111_000]);
  });

  test("no wait is longer than maxDelayMs", async () => {
    const t = await backend.client();
    const retry = { baseMs: 60_000, factor: 10, maxDelayMs: 5000, jitter: false };
    const w = workflow("capped").step("flaky", { retry }, (_, ctx) => {
      if (ctx.attempt === 1) {
        throw new Error("once");
      }
      return "ok";
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(5000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ flaky: "ok" });
  });

  test("of two attempts the second failure is final, and both are on record", async () => {
    const t = await backend.client();
    const attempts: number[] = [];
    const w = workflow("two_of_two").step(
      "broken",
      { maxAttempts: 2, retry: { jitter: false } },
      (_, ctx): never => {
        attempts.push(ctx.attempt);
        throw new Error(`failure ${ctx.attempt}`);
      },
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    t.clock.advance(1_000_000);
    await t.settle();
    const error = await rejection<RunFailedError>(handle.result());
    expect(error).toMatchObject({
      code: "RUN_FAILED",
      runId: handle.runId,
      failedTask: { id: "broken", step: "broken", attempt: 2 },
      cause: { code: "STEP_FAILED", message: "failure 2" },
    });
    expect(attempts).toEqual([1, 2]);
    const run = await t.gp.runs.get(handle.runId);
    expect(run.tasks[0]).toMatchObject({
      status: "failed",
      attempts: 2,
      error: { message: "failure 2" },
      history: [
        { outcome: "failed", error: { message: "failure 1" }, finishedAt: FAKE_START },
        { outcome: "failed", error: { message: "failure 2" }, finishedAt: new Date(START_MS + 1000) },
      ],
    });
  });

  test("a task that came through in the end shows its failed attempts, and how many there were", async () => {
    const t = await backend.client();
    const w = workflow("recovered").step("flaky", { retry: { baseMs: 0 } }, (_, ctx) => {
      if (ctx.attempt === 1) {
        throw new TypeError("not yet");
      }
      return "ok";
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const run = await t.gp.runs.get(handle.runId);
    expect(run).toMatchObject({ status: "completed", error: null });
    expect(run.tasks).toMatchObject([
      {
        status: "completed",
        attempts: 2,
        output: "ok",
        error: null,
        history: [{ outcome: "failed", error: { name: "TypeError", message: "not yet" } }],
      },
    ]);
  });

  test("a NonRetryableError ends the run at once", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow("give_up").step("broken", { maxAttempts: 5 }, (): never => {
      calls += 1;
      throw new NonRetryableError("there is no use in it");
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: { attempt: 1 },
      cause: { code: "STEP_FAILED", message: "there is no use in it" },
    });
    expect(calls).toBe(1);
  });

  test("a RetryAfterError chooses when the next attempt is, and counts as one", async () => {
    const t = await backend.client();
    const tried: [number, number][] = [];
    const w = workflow("asked").step("limited", { maxAttempts: 2 }, (_, ctx) => {
      tried.push([ctx.attempt, t.clock.now() - START_MS]);
      if (ctx.attempt === 1) {
        throw new RetryAfterError(90_000);
      }
      return "ok";
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(89_999);
    await t.settle();
    t.clock.advance(1);
    await t.settle();
    expect((await handle.result()).output).toEqual({ limited: "ok" });
    expect(tried).toEqual([
      [1, 0],
      [2, 90_000],
    ]);
  });

  test("what a step throws that is no error is kept as text", async () => {
    const t = await backend.client();
    const w = workflow("throws_text").step("odd", { maxAttempts: 1 }, (): never => {
      throw "just a text";
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const { cause } = await rejection<RunFailedError>(handle.result());
    expect(cause).toMatchObject({ code: "STEP_FAILED", message: expect.stringContaining("just a text") });
  });

  test("an error whose details JSON cannot hold still fails its task", async () => {
    const t = await backend.client();
    const w = workflow("odd_details").step("broken", { maxAttempts: 1 }, (): never => {
      throw new NonRetryableError("too big a number", { details: { big: 10n } });
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await t.gp.runs.get(handle.runId)).status).toBe("failed");
    expect(await rejection(handle.result())).toMatchObject({ cause: { message: "too big a number" } });
  });

  test("an error whose text holds a zero character still fails its task, text and all", async () => {
    const t = await backend.client();
    const w = workflow("odd_text").step("broken", { maxAttempts: 1 }, (): never => {
      throw new Error("bad byte \u0000 in the reply");
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await t.gp.runs.get(handle.runId)).toMatchObject({
      status: "failed",
      error: { code: "STEP_FAILED", message: "bad byte \u0000 in the reply" },
    });
  });

  test("a failed run stops its siblings, cancels what had not begun and leaves nothing to be done", async () => {
    const t = await backend.client();
    const aborted: unknown[] = [];
    const w = workflow("fails")
      .step("done", () => "kept")
      .step("boom", { after: ["done"], maxAttempts: 1 }, (): never => {
        throw new Error("boom");
      })
      .step("sibling", { after: ["done"] }, async (_, ctx) => {
        await untilAborted(ctx.signal).catch((reason: unknown) => aborted.push(reason));
        return "too late";
      })
      .step("dependent", { after: ["boom"] }, () => "never");
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({ failedTask: { id: "boom" } });
    const run = await t.gp.runs.get(handle.runId);
    expect(run.finishedAt).toEqual(FAKE_START);
    expect(run.output).toBeNull();
    const tasks = Object.fromEntries(run.tasks.map((task) => [task.id, task]));
    expect(tasks).toMatchObject({
      done: { status: "completed", output: "kept", error: null },
      boom: { status: "failed", output: null, error: { message: "boom" } },
      sibling: { status: "cancelled", output: null, error: null },
      dependent: { status: "cancelled", attempts: 0, error: null },
    });
    expect(await backend.countByStatus(handle.runId)).toEqual({ completed: 1, failed: 1, cancelled: 3 });
    expect(aborted).toMatchObject([{ code: "CANCELLED" }]);
  });

  test("a task that waits to be tried again does not start once its run has failed", async () => {
    const t = await backend.client();
    const tried: string[] = [];
    const w = workflow("fails_meanwhile")
      .step("flaky", { retry: { jitter: false } }, (): never => {
        tried.push("flaky");
        throw new Error("again");
      })
      .step("broken", { retry: { baseMs: 500, jitter: false }, maxAttempts: 2 }, (): never => {
        tried.push("broken");
        throw new Error("for good");
      });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(500);
    await t.settle();
    t.clock.advance(10_000);
    await t.settle();
    expect(tried.toSorted()).toEqual(["broken", "broken", "flaky"]);
    expect(await rejection(handle.result())).toMatchObject({ failedTask: { id: "broken", attempt: 2 } });
  });
});
