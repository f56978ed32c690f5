import { expect, test } from "vitest";
import { z } from "zod";
import {
  type DecomposeContext,
  type Decomposer,
  defineStep,
  type GoalHandle,
  type GoalOptions,
  NonRetryableError,
  type RunFailedError,
  type StepMap,
  type TaskSpec,
} from "../../src/index.ts";
import type { TestGoalpost } from "../../src/testing/index.ts";
import { assertInvariants } from "../invariants.ts";
import { defer, rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const REPLAN: GoalOptions = { replan: { on: "failure", max: 1 } };

const task = (id: string, more: Partial<TaskSpec> = {}): TaskSpec => ({
  id,
  description: id,
  step: "work",
  ...more,
});

/** Steps that return their task's id, or fail for good. */
const steps: StepMap = {
  work: (_, ctx) => ctx.taskId,
  fail: (_, ctx) => {
    throw new NonRetryableError(`${ctx.taskId} failed`);
  },
};

/** A first plan, then the others, one for each replacement. */
function plans(...each: (readonly TaskSpec[] | Decomposer)[]): {
  decomposer: Decomposer;
  seen: DecomposeContext[];
} {
  const seen: DecomposeContext[] = [];
  const decomposer: Decomposer = (goal, ctx) => {
    seen.push(ctx);
    const plan = each[(ctx.replan?.version ?? 1) - 1] ?? [];
    return typeof plan === "function" ? plan(goal, ctx) : plan;
  };
  return { decomposer, seen };
}

describeOnEachBackend("a plan that is replaced", (backend) => {
  async function start(
    decomposer: Decomposer,
    { options = REPLAN, more = {} }: { options?: GoalOptions; more?: StepMap } = {},
  ): Promise<{ t: TestGoalpost; handle: GoalHandle }> {
    const t = await backend.client();
    const handle = await t.gp.startGoal("a goal", decomposer, { ...steps, ...more }, options);
    return { t, handle };
  }

  test("keeps what is completed, and does the rest as the decomposer now wants it", async () => {
    const { decomposer, seen } = plans(
      [
        task("a"),
        task("b", { dependsOn: ["a"], step: "fail" }),
        task("c", { dependsOn: ["b"] }),
        task("d", { dependsOn: ["a"] }),
      ],
      [task("b", { dependsOn: ["a"] }), task("e", { dependsOn: ["b", "d"] })],
    );
    const { t, handle } = await start(decomposer);
    await t.settle();
    const result = await handle.result();
    expect(seen[1]?.replan).toMatchObject({
      version: 2,
      failed: { id: "b", step: "fail", code: "STEP_FAILED", message: "b failed" },
      tasks: [{ id: "a" }, { id: "b" }, { id: "c" }, { id: "d" }],
      completed: { a: "a", d: "d" },
    });
    expect(seen[1]?.task).toBeUndefined();
    expect(result.outputs).toEqual({ a: "a", b: "b", d: "d", e: "e" });
    expect(result.output).toEqual({ e: "e" });
    expect(result.graph.tasks.map(({ id }) => id)).toEqual(["a", "d", "b", "e"]);
    const run = await t.gp.runs.get(handle.runId);
    expect(run.graph).toEqual(result.graph);
    expect(
      Object.fromEntries(run.tasks.map(({ id, status, replacedBy }) => [id, [status, replacedBy]])),
    ).toEqual({
      a: ["completed", null],
      "b@v1": ["failed", 2],
      "c@v1": ["cancelled", 2],
      d: ["completed", null],
      b: ["completed", null],
      e: ["completed", null],
    });
    expect(run.plans).toMatchObject([
      { version: 1, status: "completed", reason: null, diff: null },
      {
        version: 2,
        scope: null,
        status: "completed",
        reason: { taskId: "b", code: "STEP_FAILED", message: "b failed" },
        diff: { added: ["e"], removed: ["c"], kept: ["a", "d"], changed: ["b"] },
      },
    ]);
    expect(await handle.progress()).toMatchObject({
      totalTasks: 4,
      completedTasks: 4,
      failedTasks: 0,
      percentage: 100,
    });
    await assertInvariants(backend.driver);
  });

  test("waits for what is under way, which is not aborted, and keeps its result", async () => {
    const begun = defer();
    const release = defer();
    let aborted = false;
    const { decomposer, seen } = plans(
      [task("slow", { step: "slow" }), task("bad", { step: "bad" })],
      [task("after", { dependsOn: ["slow"], step: "after" })],
    );
    const { t, handle } = await start(decomposer, {
      more: {
        slow: async (_, ctx) => {
          begun.resolve();
          await release.promise;
          aborted = ctx.signal.aborted;
          return 7;
        },
        bad: async () => {
          await begun.promise;
          throw new NonRetryableError("no");
        },
        after: (input) => [input.slow],
      },
    });
    const settling = t.settle();
    await begun.promise;
    await expect.poll(async () => (await t.gp.runs.get(handle.runId)).plans.length).toBe(2);
    expect((await t.gp.runs.get(handle.runId)).plans[1]).toMatchObject({ status: "waiting", diff: null });
    expect(seen).toHaveLength(1);
    release.resolve();
    await settling;
    await t.settle();
    expect(aborted).toBe(false);
    expect((await handle.result()).output).toEqual({ after: [7] });
    expect(seen[1]?.replan?.completed).toEqual({ slow: 7 });
  });

  test("of a compound task leaves the others alone", async () => {
    const { decomposer, seen } = plans(
      [
        task("before"),
        {
          id: "box",
          description: "put it in",
          dependsOn: ["before"],
          subtasks: [
            task("x"),
            task("y", { dependsOn: ["x"], step: "fail" }),
            task("z", { dependsOn: ["y"] }),
          ],
        },
        task("other"),
        task("end", { dependsOn: ["box"], step: "end" }),
      ],
      [task("y", { dependsOn: ["x"], step: "end" })],
    );
    const { t, handle } = await start(decomposer, { more: { end: (input) => Object.keys(input).sort() } });
    await t.settle();
    const result = await handle.result();
    expect(seen[1]).toMatchObject({
      depth: 1,
      task: { id: "box", description: "put it in" },
      outputs: { before: "before" },
      replan: { version: 2, tasks: [{ id: "x" }, { id: "y" }, { id: "z" }], completed: { x: "x" } },
    });
    expect(result.outputs).toMatchObject({
      x: "x",
      y: ["before", "run", "x"],
      box: { y: ["before", "run", "x"] },
    });
    expect(result.output).toEqual({ other: "other", end: ["box", "run"] });
    expect(result.graph).toMatchObject({
      taskCount: 6,
      depth: 2,
      tasks: [
        { id: "before" },
        { id: "box", subtasks: [{ id: "x" }, { id: "y" }] },
        { id: "other" },
        { id: "end" },
      ],
    });
    await assertInvariants(backend.driver);
  });

  test("of a task that was decomposed when it was reached is asked for with that task", async () => {
    const { decomposer, seen } = plans(
      (_, ctx) =>
        ctx.task
          ? [task("late.1"), task("late.2", { dependsOn: ["late.1"], step: "fail" })]
          : [task("late", { decompose: true, args: { n: 1 } }), task("end", { dependsOn: ["late"] })],
      [task("late.3", { dependsOn: ["late.1"] })],
    );
    const { t, handle } = await start(decomposer);
    await t.settle();
    expect((await handle.result()).outputs).toMatchObject({ late: { "late.3": "late.3" }, end: "end" });
    expect(seen[2]).toMatchObject({
      depth: 1,
      task: { id: "late", args: { n: 1 } },
      replan: { tasks: [{ id: "late.1" }, { id: "late.2" }], completed: { "late.1": "late.1" } },
    });
  });

  test("is larger than the compound task if a task outside needs what goes", async () => {
    const { decomposer, seen } = plans(
      [
        {
          id: "box",
          description: "",
          subtasks: [
            task("x"),
            task("y", { dependsOn: ["x"], step: "fail" }),
            task("z", { dependsOn: ["y"] }),
          ],
        },
        task("out", { dependsOn: ["z"] }),
      ],
      [
        { id: "box", description: "", subtasks: [task("y", { dependsOn: ["x"] })] },
        task("out", { dependsOn: ["y"] }),
      ],
    );
    const { t, handle } = await start(decomposer);
    await t.settle();
    const result = await handle.result();
    expect(seen[1]?.task).toBeUndefined();
    expect(seen[1]?.replan?.completed).toEqual({ x: "x" });
    expect(result.graph.tasks.map(({ id }) => id)).toEqual(["x", "box", "out"]);
    expect(result.output).toEqual({ box: { y: "y" }, out: "out" });
    const run = await t.gp.runs.get(handle.runId);
    expect(run.tasks.find(({ id }) => id === "x")?.parent).toBeNull();
    expect(run.tasks.find(({ id }) => id === "y@v1")?.parent).toBe("box@v1");
    expect(run.tasks.find(({ id }) => id === "y")?.parent).toBe("box");
  });

  test("has the completed tasks that none of its tasks waits for in the output", async () => {
    const { decomposer } = plans(
      [
        task("a"),
        task("b", { dependsOn: ["a"] }),
        task("c", { dependsOn: ["b"], step: "fail" }),
        task("leaf", { dependsOn: ["a"] }),
      ],
      [task("new", { dependsOn: ["leaf"] })],
    );
    const { t, handle } = await start(decomposer);
    await t.settle();
    expect((await handle.result()).output).toEqual({ b: "b", new: "new" });
  });

  test("may repeat what is completed, and consist of nothing else", async () => {
    const { decomposer } = plans([task("a"), task("b", { dependsOn: ["a"], step: "fail" })], [task("a")]);
    const { t, handle } = await start(decomposer);
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: "a" });
  });

  test("may not change what is completed: the run fails with what the plan was made for", async () => {
    const { decomposer } = plans(
      [task("a"), task("b", { dependsOn: ["a"], step: "fail" })],
      [task("a", { description: "another" })],
    );
    const { t, handle } = await start(decomposer);
    await t.settle();
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({
      failedTask: { id: "b", step: "fail", attempt: 1 },
      cause: { code: "STEP_FAILED", message: "b failed" },
    });
    expect((await t.gp.runs.get(handle.runId)).plans[1]).toMatchObject({
      status: "failed",
      error: { code: "INVALID_GRAPH", message: expect.stringContaining('"a" is completed') },
    });
  });

  test("is replaced at most max times, then the run fails with the last failure", async () => {
    const { decomposer, seen } = plans(
      [task("one", { step: "fail" })],
      [task("two", { step: "fail" })],
      [task("three", { step: "fail" })],
    );
    const { t, handle } = await start(decomposer, { options: { replan: { on: "failure", max: 2 } } });
    await t.settle();
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({
      failedTask: { id: "three" },
      cause: { message: "three failed" },
    });
    expect(seen.map((ctx) => ctx.replan?.version)).toEqual([undefined, 2, 3]);
    expect(seen[2]?.replan?.tasks).toMatchObject([{ id: "two" }]);
    await assertInvariants(backend.driver);
  });

  test("a decomposer that throws when it is asked again is asked as often as the first time", async () => {
    let calls = 0;
    const { decomposer } = plans([task("a", { step: "fail" })], () => {
      calls += 1;
      throw new Error("no idea");
    });
    const { t, handle } = await start(decomposer);
    for (let attempt = 1; attempt <= 3; attempt++) {
      await t.settle();
      t.clock.advance(60_000);
    }
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({ failedTask: { id: "a" } });
    expect(calls).toBe(3);
  });

  test("two tasks that fail are one reason, and the first of them is told", async () => {
    const replanned = defer();
    const { decomposer, seen } = plans(
      [task("a", { step: "fail" }), task("b", { step: "second" }), task("c", { dependsOn: ["a", "b"] })],
      [task("b"), task("d", { dependsOn: ["b"] })],
    );
    const { t, handle } = await start(decomposer, {
      more: {
        second: async () => {
          await replanned.promise;
          throw new NonRetryableError("second");
        },
      },
    });
    const settling = t.settle();
    await expect.poll(async () => (await t.gp.runs.get(handle.runId)).plans.length).toBe(2);
    replanned.resolve();
    await settling;
    await t.settle();
    expect((await handle.result()).output).toEqual({ d: "d" });
    expect(seen).toHaveLength(2);
    expect(seen[1]?.replan?.failed.id).toBe("a");
    await assertInvariants(backend.driver);
  });

  test("compound tasks are planned again beside each other", async () => {
    const box = (id: string): TaskSpec => ({
      id,
      description: id,
      subtasks: [task(`${id}.ok`), task(`${id}.bad`, { step: "fail" })],
    });
    const { t, handle } = await start(
      (_, ctx) => (ctx.replan ? [task(`${ctx.task?.id}.new`)] : [box("one"), box("two")]),
      { options: { replan: { on: "failure", max: 2 } } },
    );
    await t.settle();
    expect((await handle.result()).output).toEqual({
      one: { "one.ok": "one.ok", "one.new": "one.new" },
      two: { "two.ok": "two.ok", "two.new": "two.new" },
    });
    await assertInvariants(backend.driver);
  });

  test("a map fails with its item and is replaced", async () => {
    const { decomposer, seen } = plans(
      [
        task("list", { step: "list" }),
        task("each", { step: "item", map: { over: "list" } }),
        task("sum", { dependsOn: ["each"] }),
      ],
      [task("each", { map: { over: "list", concurrency: 1 }, step: "echo" })],
    );
    const { t, handle } = await start(decomposer, {
      more: {
        list: () => [1, 2, 3],
        item: (_, ctx) => {
          if (ctx.index === 1) {
            throw new NonRetryableError("not this one");
          }
          return ctx.index;
        },
        echo: (_, ctx) => ctx.index,
      },
    });
    await t.settle();
    expect((await handle.result()).output).toEqual({ each: [0, 1, 2] });
    expect(seen[1]?.replan?.failed).toMatchObject({ id: "each", message: "not this one" });
    await assertInvariants(backend.driver);
  });

  test("a map over what is no array is a failure like others, and so are args that do not fit", async () => {
    const strict = defineStep({ description: "", args: z.object({ n: z.number() }), execute: ({ n }) => n });
    const { decomposer, seen } = plans(
      [task("text"), task("each", { map: { over: "text" } })],
      [task("n", { step: "strict", args: { n: { $ref: "text" } } })],
      [task("n", { step: "strict", args: { n: 5 } })],
    );
    const { t, handle } = await start(decomposer, {
      options: { replan: { on: "failure", max: 2 } },
      more: { strict },
    });
    await t.settle();
    expect((await handle.result()).output).toEqual({ text: "text", n: 5 });
    expect(seen.map((ctx) => ctx.replan?.failed.code)).toEqual([
      undefined,
      "TYPE_VIOLATION",
      "INVALID_INPUT",
    ]);
  });

  test("tasks that may fail are no reason, and nor is a rejection", async () => {
    const { decomposer, seen } = plans([
      task("a", { step: "fail", onExhausted: "continue" }),
      task("b", { step: "fail", onExhausted: "cascade" }),
      task("c", { dependsOn: ["a"], approval: true }),
    ]);
    const { t, handle } = await start(decomposer);
    await t.settle();
    await t.gp.runs.reject(handle.runId, "c", { by: "me", reason: "no" });
    await t.settle();
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({ cause: { code: "REJECTED" } });
    expect(seen).toHaveLength(1);
  });

  test("a task that waits for approval has not begun: it goes, and its request with it", async () => {
    const { decomposer } = plans(
      [task("asked", { approval: true }), task("bad", { step: "fail" })],
      [task("asked", { approval: true })],
    );
    const { t, handle } = await start(decomposer, { options: { ...REPLAN, maxParallel: 1 } });
    await t.settle();
    const run = await t.gp.runs.get(handle.runId);
    expect(run.tasks.map(({ id, status }) => [id, status])).toEqual([
      ["asked@v1", "cancelled"],
      ["bad@v1", "failed"],
      ["asked", "suspended"],
    ]);
    await t.gp.runs.approve(handle.runId, "asked", { by: "me" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ asked: "asked" });
  });

  test("a compound task that has begun goes on as a whole", async () => {
    const begun = defer();
    const release = defer();
    const { decomposer, seen } = plans(
      [
        {
          id: "box",
          description: "",
          subtasks: [task("x", { step: "slow" }), task("y", { dependsOn: ["x"] })],
        },
        task("bad", { step: "bad" }),
        task("never", { dependsOn: ["bad"] }),
      ],
      [task("end", { dependsOn: ["box"] })],
    );
    const { t, handle } = await start(decomposer, {
      more: {
        slow: async () => {
          begun.resolve();
          await release.promise;
          return 1;
        },
        bad: async () => {
          await begun.promise;
          throw new NonRetryableError("no");
        },
      },
    });
    const settling = t.settle();
    await begun.promise;
    await expect.poll(async () => (await t.gp.runs.get(handle.runId)).plans.length).toBe(2);
    release.resolve();
    await settling;
    await t.settle();
    expect((await handle.result()).outputs).toEqual({ x: 1, y: "y", box: { y: "y" }, end: "end" });
    expect(seen[1]?.replan?.completed).toEqual({ x: 1, y: "y", box: { y: "y" } });
  });

  test("progress never goes back", async () => {
    const { decomposer } = plans(
      [
        task("a"),
        task("b"),
        task("c", { dependsOn: ["a", "b"], step: "fail" }),
        task("d", { dependsOn: ["c"] }),
      ],
      Array.from({ length: 12 }, (_, index) =>
        task(`n${index}`, { dependsOn: index > 0 ? [`n${index - 1}`] : ["a"] }),
      ),
    );
    const { t, handle } = await start(decomposer);
    const seen: number[] = [];
    for (let tick = 0; tick < 24; tick++) {
      seen.push((await handle.progress()).percentage);
      await t.tick();
    }
    seen.push((await handle.progress()).percentage);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(100);
    expect(new Set(seen).size).toBeGreaterThan(10);
  });

  test("events tell of plans, why one was replaced, and what it changed", async () => {
    const { decomposer } = plans([task("a"), task("b", { dependsOn: ["a"], step: "fail" })], [task("c")]);
    const { t, handle } = await start(decomposer);
    await t.settle();
    const told: unknown[] = [];
    for await (const event of handle.events()) {
      told.push(event.plan ? [event.type, event.plan] : event.type);
    }
    expect(told).toEqual([
      "workflow_started",
      ["plan_created", { version: 1, scope: null, reason: null, diff: null }],
      "task_started",
      "task_completed",
      "task_started",
      "task_failed",
      ["plan_created", { version: 2, scope: null, reason: null, diff: null }],
      [
        "plan_replaced",
        {
          version: 2,
          scope: null,
          reason: { taskId: "b", code: "STEP_FAILED" },
          diff: { added: ["c"], removed: ["b"], kept: ["a"], changed: [] },
        },
      ],
      "task_started",
      "task_completed",
      "workflow_completed",
    ]);
  });

  test("a retry keeps the plans, does what failed again, and may replace the plan again", async () => {
    const { decomposer, seen } = plans(
      [task("a"), task("b", { dependsOn: ["a"], step: "fail" }), task("c", { dependsOn: ["b"] })],
      [task("b", { dependsOn: ["a"], step: "later" })],
      [task("d", { dependsOn: ["a"] })],
    );
    const { t, handle } = await start(decomposer, {
      more: {
        later: () => {
          throw new NonRetryableError("not yet");
        },
      },
    });
    await t.settle();
    await rejection(handle.result());
    const again = await t.gp.runs.retry(handle.runId);
    await t.settle();
    expect((await t.gp.runs.wait(again)).output).toEqual({ d: "d" });
    expect(seen.map((ctx) => ctx.replan?.version)).toEqual([undefined, 2, 3]);
    await assertInvariants(backend.driver);
  });

  test("a retry without a failure goes on with the plan as it is; with resetAll it begins with the first", async () => {
    let fails = true;
    const { decomposer, seen } = plans(
      [task("a"), task("b", { dependsOn: ["a"], step: "fail" }), task("c", { dependsOn: ["b"] })],
      [task("b", { dependsOn: ["a"], step: "later" })],
    );
    const { t, handle } = await start(decomposer, {
      more: {
        later: () => {
          if (fails) {
            throw new NonRetryableError("not yet");
          }
          return "now";
        },
      },
    });
    await t.settle();
    await rejection(handle.result());
    fails = false;
    const again = await t.gp.runs.retry(handle.runId);
    await t.settle();
    expect((await t.gp.runs.wait(again)).output).toEqual({ b: "now" });
    expect(seen).toHaveLength(2);
    const reset = await t.gp.runs.retry(handle.runId, { resetAll: true });
    await t.settle();
    expect((await t.gp.runs.wait(reset)).output).toEqual({ b: "now" });
    expect(seen.map((ctx) => ctx.replan?.version)).toEqual([undefined, 2, undefined, 2]);
    expect((await t.gp.runs.get(reset)).plans).toHaveLength(2);
    await assertInvariants(backend.driver);
  });

  test("a run that is paused is planned again when it goes on, and one that is cancelled is not", async () => {
    const { decomposer, seen } = plans([task("a", { step: "fail" })], [task("b")]);
    const { t, handle } = await start(decomposer);
    await t.tick();
    await t.gp.runs.pause(handle.runId);
    await t.settle();
    expect(seen).toHaveLength(1);
    await t.gp.runs.resume(handle.runId);
    await t.tick();
    await t.gp.runs.pause(handle.runId);
    await t.settle();
    expect(seen).toHaveLength(1);
    await t.gp.runs.cancel(handle.runId);
    await t.settle();
    expect(seen).toHaveLength(1);
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({ cause: { code: "CANCELLED" } });
    const again = await t.gp.runs.retry(handle.runId);
    await t.settle();
    expect((await t.gp.runs.wait(again)).output).toEqual({ b: "b" });
    await assertInvariants(backend.driver);
  });

  test.for<[string, unknown, string]>([
    ["another reason", { on: "success", max: 1 }, "replan.on"],
    ["no max", { on: "failure" }, "replan.max"],
    ["a max of 0", { on: "failure", max: 0 }, "replan.max"],
    ["half a time", { on: "failure", max: 1.5 }, "replan.max"],
    ["a number", 3, "replan is a number"],
  ])("%s is INVALID_INPUT", async ([, replan, words]) => {
    const t = await backend.client();
    const options = { replan } as GoalOptions;
    expect(await rejection(t.gp.startGoal("a goal", () => [task("a")], steps, options))).toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining(words),
    });
  });
});
