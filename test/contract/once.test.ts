import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const AGAIN = { retry: { baseMs: 0 } };

describeOnEachBackend("ctx.once", (backend) => {
  test("a retry is given what the first attempt stored, and fn is not called again", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow("memo").step("pay", AGAIN, async (_, ctx) => {
      const receipt = await ctx.once("charge", () => {
        calls += 1;
        return { receipt: calls };
      });
      if (ctx.attempt < 3) {
        throw new Error("after the charge");
      }
      return receipt;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ pay: { receipt: 1 } });
    expect(calls).toBe(1);
  });

  test("keys are memoised apart, and apart for every task", async () => {
    const t = await backend.client();
    const calls: string[] = [];
    const call = (name: string) => () => {
      calls.push(name);
      return name;
    };
    const w = workflow("keys")
      .step("a", AGAIN, async (_, ctx) => {
        const values = [await ctx.once("one", call("a1")), await ctx.once("two", call("a2"))];
        if (ctx.attempt === 1) {
          throw new Error("again");
        }
        return values;
      })
      .step("b", async (_, ctx) => [await ctx.once("one", call("b1"))]);
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: ["a1", "a2"], b: ["b1"] });
    expect(calls.toSorted()).toEqual(["a1", "a2", "b1"]);
  });

  test("calls with one key at the same time call fn once", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow("concurrent").step("pay", (_, ctx) => {
      const charge = (): Promise<number> =>
        ctx.once("charge", async () => {
          calls += 1;
          await new Promise(setImmediate);
          return calls;
        });
      return Promise.all([charge(), charge(), charge()]);
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ pay: [1, 1, 1] });
  });

  test("the value is what JSON gives back, the first time as every other time", async () => {
    const t = await backend.client();
    const values: unknown[] = [];
    const w = workflow("stored").step("look", AGAIN, async (_, ctx) => {
      const value = await ctx.once("key", () => ({ at: new Date(0), missing: undefined }));
      values.push(value, await ctx.once("nothing", () => undefined));
      if (ctx.attempt === 1) {
        throw new Error("again");
      }
    });
    await t.gp.start(w, null);
    await t.settle();
    const stored = { at: "1970-01-01T00:00:00.000Z" };
    expect(values).toStrictEqual([stored, null, stored, null]);
  });

  test("a text keeps its zero characters and lone surrogates", async () => {
    const t = await backend.client();
    const w = workflow("odd_text").step("look", AGAIN, async (_, ctx) => {
      const value = await ctx.once("key", () => "a\u0000b\ud800");
      if (ctx.attempt === 1) {
        throw new Error("again");
      }
      return value;
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const [task] = (await t.gp.runs.get(handle.runId)).tasks;
    expect(task).toMatchObject({ attempts: 2, output: "a\u0000b\ud800" });
  });

  test("changing a value does not change what a later call is given", async () => {
    const t = await backend.client();
    const w = workflow("own_copy").step("look", AGAIN, async (_, ctx) => {
      const first = await ctx.once("list", () => [1]);
      first.push(2);
      const second = await ctx.once("list", () => [1]);
      second.push(3);
      return ctx.once("list", () => [1]);
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ look: [1] });
  });

  test("what fn throws is not remembered", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow("throws").step("pay", AGAIN, (_, ctx) =>
      ctx.once("charge", () => {
        calls += 1;
        if (calls === 1) {
          throw new Error("declined");
        }
        return calls;
      }),
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ pay: 2 });
  });

  test("a value that JSON cannot hold fails the task with the path and is not tried again", async () => {
    const t = await backend.client();
    const w = workflow("not_json").step("pay", async (_, ctx) => {
      await ctx.once("charge", () => ({ amount: 10n }) as never);
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: { attempt: 1 },
      cause: { code: "OUTPUT_NOT_JSON", message: expect.stringContaining("$.amount") },
    });
  });

  test("a value that is too large fails the task with OUTPUT_TOO_LARGE", async () => {
    const t = await backend.client({ workers: { maxOutputBytes: 100 } });
    const w = workflow("too_large").step("pay", (_, ctx) => ctx.once("charge", () => "x".repeat(99)));
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({ cause: { code: "OUTPUT_TOO_LARGE" } });
  });

  test("after the run was cancelled it calls nothing and stores nothing", async () => {
    const t = await backend.client();
    const rejected: unknown[] = [];
    let calls = 0;
    let leave: () => void = () => undefined;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const w = workflow("cancelled_once").step("pay", async (_, ctx) => {
      await t.gp.runs.cancel(ctx.runId);
      await ctx.once("charge", () => ++calls).catch((error: unknown) => rejected.push(error));
      leave();
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    await left;
    expect(calls).toBe(0);
    expect(rejected).toMatchObject([{ code: "CANCELLED" }]);
    const stored = await backend.query("select 1 from goalpost.checkpoints where run_id = $1::uuid", [
      handle.runId,
    ]);
    expect(stored).toEqual([]);
  });
});
