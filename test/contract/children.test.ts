import { expect, test } from "vitest";
import { type AnyWorkflow, type RunFailedError, type StepContext, workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

type Ctx = StepContext<never, null>;

const double = workflow<number>("double").step("out", ({ run }) => run * 2);
const failing = workflow("failing").step("bad", { maxAttempts: 1 }, (): number => {
  throw new Error("child trouble");
});

const parent = <T>(name: string, fn: (ctx: Ctx) => Promise<T>, options = {}) =>
  workflow(name).step("s", options, (_, ctx) => fn(ctx as unknown as Ctx));

describeOnEachBackend("child runs", (backend) => {
  const childrenOf = (runId: string) =>
    backend.query<{ id: string; parent_position: number; root_run_id: string; status: string; prio: number }>(
      "select id, parent_position, root_run_id, status, prio from goalpost.runs where parent_run_id = $1::uuid",
      [runId],
    );

  test("a parent waits for its child without a slot, and is given its result", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const w = parent("doubles", async (ctx) => {
      const { output, runId } = await ctx.execute(double, 21, { key: "d" });
      return [output.out, runId];
    });
    const handle = await t.gp.start(w, null, { priority: 3 });
    await t.tick();
    expect((await t.gp.runs.get(handle.runId)).tasks[0]).toMatchObject({
      status: "suspended",
      waitingFor: [{ kind: "child", name: "double", runId: expect.any(String) }],
    });
    await t.settle();
    const [child, ...others] = await childrenOf(handle.runId);
    expect(others).toEqual([]);
    expect(child).toMatchObject({ parent_position: 0, root_run_id: handle.runId, prio: -3 });
    expect((await handle.result()).output).toEqual({ s: [42, child?.id] });
  });

  test("children can have children, and the root is the same for all", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const inner = parent("inner", async (ctx) => (await ctx.execute(double, 2, { key: "d" })).output.out);
    const outer = parent("outer", async (ctx) => (await ctx.execute(inner, null, { key: "i" })).output.s);
    const handle = await t.gp.start(outer, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: 4 });
    const [child] = await childrenOf(handle.runId);
    expect(await childrenOf(child?.id ?? "")).toMatchObject([{ root_run_id: handle.runId }]);
  });

  test("a failed child throws RunFailedError into its parent, which can catch it", async () => {
    const t = await backend.client();
    const w = parent("catches", (ctx) =>
      ctx.execute(failing, null, { key: "f" }).then(
        () => "completed",
        (error: RunFailedError) => {
          if (error.code !== "RUN_FAILED") {
            throw error;
          }
          return [error.failedTask?.id, error.cause.message];
        },
      ),
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: ["bad", "child trouble"] });
  });

  test("a failed child that is not caught fails its parent, without a retry", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = parent("fails", async (ctx) => {
      calls += 1;
      return ctx.execute(failing, null, { key: "f" });
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: { id: "s", attempt: 1 },
      cause: { code: "RUN_FAILED" },
    });
    expect(calls).toBe(2);
    expect(await childrenOf(handle.runId)).toHaveLength(1);
  });

  test("a child that fails before its parent looks at it harms nobody", async () => {
    const t = await backend.client();
    const w = parent("looks_later", async (ctx) => {
      const child = ctx.execute(failing, null, { key: "f" });
      await ctx.sleep(1000);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return child.catch((error: RunFailedError) => {
        if (error.code !== "RUN_FAILED") {
          throw error;
        }
        return "seen";
      });
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "seen" });
  });

  test("a cancelled child wakes its parent", async () => {
    const t = await backend.client();
    const sleeper = workflow("sleeper").step("z", (_, ctx) => ctx.sleep(1e9));
    const w = parent("waits", (ctx) =>
      ctx.execute(sleeper, null, { key: "z" }).then(
        () => "completed",
        (error: RunFailedError) => {
          if (error.code !== "RUN_FAILED") {
            throw error;
          }
          return error.cause.code;
        },
      ),
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    const [child] = await childrenOf(handle.runId);
    await t.gp.runs.cancel(child?.id ?? "");
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "CANCELLED" });
  });

  test("a retry of the parent's step does not start its child again", async () => {
    const t = await backend.client();
    const seen: string[] = [];
    const w = parent(
      "flaky_parent",
      async (ctx) => {
        const { runId } = await ctx.execute(double, 1, { key: "d" });
        seen.push(runId);
        if (ctx.attempt === 1) {
          throw new Error("once more");
        }
      },
      { retry: { baseMs: 0 } },
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    await handle.result();
    expect(new Set(seen).size).toBe(1);
    expect(seen).toHaveLength(2);
    expect(await childrenOf(handle.runId)).toHaveLength(1);
  });

  test("300 children of one step run once each, and are returned in order", async () => {
    const t = await backend.client({ workers: { concurrency: 10 } });
    const w = parent("fan_out", (ctx) =>
      Promise.all(
        Array.from({ length: 300 }, async (_, index) => {
          return (await ctx.execute(double, index, { key: `child ${index}` })).output.out;
        }),
      ),
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output.s).toEqual(Array.from({ length: 300 }, (_, index) => index * 2));
    expect(await childrenOf(handle.runId)).toHaveLength(300);
  });

  test("the first failed child of many fails the parent at once", async () => {
    const t = await backend.client();
    const sleeper = workflow("sleeper_too").step("z", (_, ctx) => ctx.sleep(1e9));
    const w = parent("fails_fast", (ctx) =>
      Promise.all([ctx.execute(sleeper, null, { key: "slow" }), ctx.execute(failing, null, { key: "bad" })]),
    );
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({ cause: { code: "RUN_FAILED" } });
  });

  test("a goal can be a child as well", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const w = parent("has_goal", async (ctx) => {
      const result = await ctx.executeGoal(
        { text: "count", context: 3 },
        () => [
          { id: "a", description: "a" },
          { id: "b", description: "b", dependsOn: ["a"] },
        ],
        { a: ({ run }) => run.context as number, b: ({ a }) => a + 1 },
        { key: "g" },
      );
      return [result.output, result.outputs, result.graph.taskCount, result.goal.text];
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: [{ b: 4 }, { a: 3, b: 4 }, 2, "count"] });
  });

  test("a step of a goal can start children", async () => {
    const t = await backend.client();
    const handle = await t.gp.startGoal("double", () => [{ id: "a", description: "a" }], {
      a: async (_, ctx) => (await ctx.execute(double, 5, { key: "d" })).output.out,
    });
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: 10 });
  });

  test("what is wrong with a child is said in the step, and nothing is started", async () => {
    const t = await backend.client();
    const codes: unknown[] = [];
    const w = parent("bad_children", async (ctx) => {
      const tries = [
        ctx.execute(double, Number.NaN, { key: "a" }),
        ctx.execute(double, 1, {} as never),
        ctx.execute(double, 1, { key: "b", deadlineMs: -1 }),
        ctx.execute(workflow("empty") as AnyWorkflow as typeof double, 1, { key: "c" }),
        ctx.executeGoal("", () => [], {}, { key: "d" }),
      ];
      for (const attempt of tries) {
        codes.push((await rejection(attempt)).code);
      }
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    await handle.result();
    expect(codes).toEqual(Array(5).fill("INVALID_INPUT"));
    expect(await childrenOf(handle.runId)).toEqual([]);
  });

  test("a child that outlives a race is waited for no more", async () => {
    const t = await backend.client();
    const sleeper = workflow("race_sleeper").step("z", (_, ctx) => ctx.sleep(5000));
    const w = parent("gives_up", async (ctx) => {
      const winner = await Promise.race([
        ctx.execute(sleeper, null, { key: "z" }).then(() => "child"),
        ctx.sleep(1000).then(() => "timeout"),
      ]);
      await ctx.sleep(60_000);
      return winner;
    });
    const handle = await t.gp.start(w, null);
    for (let step = 0; step < 14; step++) {
      await t.settle();
      t.clock.advance(5000);
    }
    await t.settle();
    expect((await handle.result()).output).toEqual({ s: "timeout" });
  });

  test("a run that is taken over takes its children with it, and brings their code", async () => {
    const first = await backend.client();
    const steps = {
      a: async (_: unknown, ctx: Pick<Ctx, "execute">) => {
        const slow = workflow("slow_child").step("z", async (_input, inner) => {
          await inner.sleep(1000);
          return "rested";
        });
        return (await ctx.execute(slow, null, { key: "z" })).output.z;
      },
    };
    const plan = () => [{ id: "a", description: "a" }];
    const goal = `taken over on ${backend.name}`;
    await first.gp.startGoal(goal, plan, steps);
    await first.settle();
    await first.close();
    const second = await backend.client({ clock: first.clock });
    const handle = await second.gp.startGoal(goal, plan, steps, { resume: true });
    expect(handle.resumed).toBe("taken over");
    await second.settle();
    second.clock.advance(1000);
    await second.settle();
    expect((await handle.result()).output).toEqual({ a: "rested" });
  });
});
