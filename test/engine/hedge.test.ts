import { expect, test } from "vitest";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { carryOut } from "../../src/engine/attempt.ts";
import type { AttemptOptions } from "../../src/engine/attempt-options.ts";
import { Cancellation } from "../../src/engine/cancellation.ts";
import type { TaskCall } from "../../src/engine/code.ts";
import type { Report } from "../../src/engine/protocol.ts";
import { silentLogger } from "../../src/index.ts";
import { FakeClock } from "../../src/testing/index.ts";
import { defer, untilAborted } from "../promises.ts";
import { aTry } from "./a-try.ts";

const AFTER_MS = 100;

interface Copies {
  readonly clock: FakeClock;
  /** What each copy was given, in the order in which they began. */
  readonly begun: TaskCall[];
  /** Slots that are free. */
  free: number;
  readonly options: AttemptOptions;
  readonly report: Promise<Report | undefined>;
}

/** A try that is done by the given functions, the first copy by the first one. */
function begin(
  works: readonly ((call: TaskCall) => Promise<unknown>)[],
  own: Partial<AttemptOptions> & { free?: number } = {},
): Copies {
  const clock = new FakeClock();
  const begun: TaskCall[] = [];
  const copies = { clock, begun, free: own.free ?? 1 };
  const execute = (call: TaskCall): Promise<unknown> => {
    begun.push(call);
    return (works[begun.length - 1] as (typeof works)[number])(call);
  };
  const takeSlot: AttemptOptions["takeSlot"] = () => {
    if (copies.free === 0) {
      return undefined;
    }
    copies.free -= 1;
    return () => {
      copies.free += 1;
    };
  };
  const policy = {
    maxAttempts: 1,
    timeoutMs: 30_000,
    retry: DEFAULT_RETRY,
    approval: false,
    hedgeAfterMs: AFTER_MS,
  };
  const code = { policy, execute: async (call: TaskCall) => ({ output: await execute(call) }) };
  const options = aTry(execute, { clock, code, takeSlot, ...own });
  return Object.assign(copies, { options, report: carryOut(options) });
}

const forEver = (call: TaskCall): Promise<never> => untilAborted(call.signal);

test("a try that takes long is overtaken by a second copy, and the first is aborted", async () => {
  const copies = begin([forEver, async () => "second"]);
  copies.clock.advance(AFTER_MS);
  expect(await copies.report).toMatchObject({ outcome: "completed", payload: '"second"' });
  expect(copies.begun[0]?.signal.aborted).toBe(true);
  expect(copies.options.rescued).toBe(false);
  expect(copies.free).toBe(1);
});

test("of two copies the first counts if it completes first, and the second is aborted", async () => {
  const first = defer<string>();
  const copies = begin([() => first.promise, forEver]);
  copies.clock.advance(AFTER_MS);
  expect(copies.free).toBe(0);
  first.resolve("first");
  expect(await copies.report).toMatchObject({ outcome: "completed", payload: '"first"' });
  expect(copies.begun[1]?.signal.aborted).toBe(true);
  expect(copies.options.rescued).toBeUndefined();
  expect(copies.free).toBe(1);
});

test("a try that is over in time has no second copy", async () => {
  const copies = begin([async () => "first"]);
  await copies.report;
  copies.clock.advance(AFTER_MS);
  expect(copies.begun).toHaveLength(1);
});

test("without a free slot there is no second copy", async () => {
  const first = defer<string>();
  const copies = begin([() => first.promise], { free: 0 });
  copies.clock.advance(AFTER_MS);
  first.resolve("first");
  expect(await copies.report).toMatchObject({ payload: '"first"' });
  expect(copies.begun).toHaveLength(1);
});

test("what is made once is made once for both copies, also while it is under way", async () => {
  const made: string[] = [];
  const slow = defer<string>();
  const remember = (call: TaskCall): Promise<unknown[]> =>
    Promise.all([
      call.once("quick", () => `quick ${made.push("quick")}`),
      call.once("slow", () => {
        made.push("slow");
        return slow.promise;
      }),
    ]);
  const copies = begin([
    async (call) => {
      await remember(call);
      return untilAborted(call.signal);
    },
    remember,
  ]);
  await new Promise(setImmediate);
  copies.clock.advance(AFTER_MS);
  slow.resolve("slow");
  expect(await copies.report).toMatchObject({ payload: '["quick 1","slow"]' });
  expect(made).toEqual(["quick", "slow"]);
});

test("what the first copy does to its inputs the second does not see", async () => {
  const copies = begin(
    [
      (call) => {
        (call.inputs.list as number[]).length = 0;
        return untilAborted(call.signal);
      },
      async (call) => call.inputs.list,
    ],
    { inputs: { list: [1, 2] } },
  );
  copies.clock.advance(AFTER_MS);
  expect(await copies.report).toMatchObject({ payload: "[1,2]" });
});

test("a logger that throws does no more than to cost the second copy", async () => {
  const first = defer<string>();
  const logger = {
    ...silentLogger,
    info: () => {
      throw new Error("the logger");
    },
  };
  const copies = begin([() => first.promise, async () => "second"], { logger });
  copies.clock.advance(AFTER_MS);
  await new Promise(setImmediate);
  expect(copies.free).toBe(1);
  first.resolve("first");
  expect(await copies.report).toMatchObject({ payload: '"first"' });
});

test("a second copy that would have to wait is of no account", async () => {
  const first = defer<string>();
  const copies = begin([() => first.promise, (call) => call.waits.sleep(1000)]);
  copies.clock.advance(AFTER_MS);
  await new Promise(setImmediate);
  first.resolve("first");
  expect(await copies.report).toMatchObject({ outcome: "completed", payload: '"first"' });
  expect(copies.free).toBe(1);
});

test("a first copy that waits suspends the try, whatever the second does", async () => {
  const wait = defer();
  const copies = begin([
    async (call) => {
      await wait.promise;
      await call.waits.sleep(1000);
    },
    forEver,
  ]);
  copies.clock.advance(AFTER_MS);
  wait.resolve();
  expect(await copies.report).toMatchObject({ outcome: "suspended" });
  expect(copies.begun[1]?.signal.aborted).toBe(true);
});

test("a second copy that fails changes nothing", async () => {
  const first = defer<string>();
  const copies = begin([() => first.promise, () => Promise.reject(new Error("the second"))]);
  copies.clock.advance(AFTER_MS);
  await new Promise(setImmediate);
  first.resolve("first");
  expect(await copies.report).toMatchObject({ outcome: "completed", payload: '"first"' });
});

test("if the first fails, the second still counts", async () => {
  const [first, second] = [defer<string>(), defer<string>()];
  const copies = begin([() => first.promise, () => second.promise]);
  copies.clock.advance(AFTER_MS);
  first.reject(new Error("the first"));
  await new Promise(setImmediate);
  second.resolve("second");
  expect(await copies.report).toMatchObject({ outcome: "completed", payload: '"second"' });
  expect(copies.options.rescued).toBe(true);
});

test("if both fail, the error is the first's", async () => {
  const copies = begin([
    async (call) => {
      await new Promise(setImmediate);
      throw new Error(`the first, try ${call.attempt}`);
    },
    () => Promise.reject(new Error("the second")),
  ]);
  copies.clock.advance(AFTER_MS);
  const report = await copies.report;
  expect(report?.outcome).toBe("failed");
  expect(report?.payload).toContain("the first, try 1");
});

test("a try that is called off gives the slot of its second copy back, though that does not heed its signal", async () => {
  const abort = new Cancellation();
  const copies = begin([forEver, () => new Promise(() => undefined)], { abort });
  copies.clock.advance(AFTER_MS);
  expect(copies.free).toBe(0);
  abort.abort(new Error("cancelled"));
  expect(await copies.report).toBeUndefined();
  await new Promise(setImmediate);
  expect(copies.free).toBe(1);
});

test("a try that was called off begins no second copy later", async () => {
  const abort = new Cancellation();
  const copies = begin([() => new Promise(() => undefined)], { abort });
  abort.abort(new Error("cancelled"));
  await copies.report;
  copies.clock.advance(AFTER_MS);
  expect(copies.begun).toHaveLength(1);
});
