import { expect, test } from "vitest";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { carryOut } from "../../src/engine/attempt.ts";
import { Cancellation } from "../../src/engine/cancellation.ts";
import type { TaskCall } from "../../src/engine/code.ts";
import { FAKE_START, FakeClock } from "../../src/testing/index.ts";
import { defer } from "../promises.ts";
import { aTry } from "./a-try.ts";

test("a try that was aborted before it began, while its definition was loaded, does not begin", async () => {
  const abort = new Cancellation();
  abort.abort(new Error("the worker is stopping"));
  let begun = false;
  const execute = (): Promise<never> => {
    begun = true;
    return new Promise(() => undefined);
  };
  expect(await carryOut(aTry(execute, { abort }))).toBeUndefined();
  expect(begun).toBe(false);
});

test("the time of work that is not the step's does not count, and what is left of its own goes on after", async () => {
  const clock = new FakeClock();
  const model = defer<string>();
  const never = defer<never>();
  let deadlineAt: number | null | undefined;
  const report = carryOut(
    aTry(
      async (call) => {
        ({ deadlineAt } = call);
        await call.untimed(() => model.promise);
        return never.promise;
      },
      { clock },
    ),
  );
  clock.advance(100_000);
  model.resolve("answer");
  await new Promise(setImmediate);
  expect(deadlineAt).toBeNull();
  clock.advance(29_999);
  await new Promise(setImmediate);
  clock.advance(1);
  expect(await report).toMatchObject({
    outcome: "failed",
    payload: expect.stringContaining("STEP_TIMEOUT"),
  });
});

test("of a time that somebody chose everything counts", async () => {
  const clock = new FakeClock();
  const policy = {
    maxAttempts: 1,
    timeoutMs: 5000,
    timeoutGiven: true,
    retry: DEFAULT_RETRY,
    approval: false,
  };
  let deadlineAt: number | null | undefined;
  const execute = (call: TaskCall): Promise<never> => {
    ({ deadlineAt } = call);
    return call.untimed(() => new Promise<never>(() => undefined));
  };
  const report = carryOut(aTry(execute, { clock, code: { policy, execute } }));
  clock.advance(5000);
  expect(await report).toMatchObject({ outcome: "failed", payload: expect.stringContaining("STEP_TIMEOUT") });
  expect(deadlineAt).toBe(FAKE_START.getTime() + 5000);
});

test("the approval of a tool within once never comes: the try ends with its timeout, which says so", async () => {
  const clock = new FakeClock();
  const call = { id: "00000000-0000-4000-8000-000000000002", tool: "deploy", args: {} };
  const report = carryOut(aTry((own) => own.once("all", () => own.waits.toolApproval(call)), { clock }));
  await new Promise(setImmediate);
  clock.advance(30_000);
  expect(await report).toMatchObject({
    outcome: "failed",
    payload: expect.stringContaining("a wait within ctx.once never ends"),
  });
});
