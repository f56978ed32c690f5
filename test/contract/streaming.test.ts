import { expect, test } from "vitest";
import {
  type DecomposeContext,
  type Decomposer,
  type GoalOptions,
  type InvalidGraphError,
  NonRetryableError,
  type RunFailedError,
  type StepMap,
  type TaskSpec,
} from "../../src/index.ts";
import { assertInvariants } from "../invariants.ts";
import { defer, rejection, untilAborted } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const task = (id: string, more: Partial<TaskSpec> = {}): TaskSpec => ({
  id,
  description: id,
  step: "work",
  ...more,
});

const steps: StepMap = {
  work: (input) => Object.keys(input).sort(),
  fail: (_, ctx) => {
    throw new NonRetryableError(`${ctx.taskId} failed`);
  },
};

describeOnEachBackend("a plan that is handed on while it is made", (backend) => {
  test("begins before it is whole, and ends like one that was not", async () => {
    const gp = await backend.liveClient();
    const ran = defer();
    const rest = defer();
    const handle = await gp.startGoal(
      "a goal",
      async (_, ctx) => {
        const first = [task("a", { step: "first" }), task("b")];
        await ctx.stream?.(first);
        await ctx.stream?.([task("c", { dependsOn: ["a"] })]);
        await rest.promise;
        return [...first, task("c", { dependsOn: ["a"] }), task("d", { dependsOn: ["b", "c"] })];
      },
      {
        ...steps,
        first: () => {
          ran.resolve();
          return 1;
        },
      },
    );
    await ran.promise;
    await expect.poll(async () => (await handle.progress()).completedTasks).toBe(3);
    expect(await handle.progress()).toMatchObject({ status: "running", percentage: 0 });
    rest.resolve();
    const result = await handle.result();
    expect(result.output).toEqual({ d: ["b", "c", "run"] });
    expect(result.outputs).toEqual({ a: 1, b: ["run"], c: ["a", "run"], d: ["b", "c", "run"] });
    expect(result.graph).toMatchObject({
      taskCount: 4,
      tasks: [{ id: "a" }, { id: "b" }, { id: "c" }, { id: "d" }],
    });
    await assertInvariants(backend.driver);
  });

  test("of a task that is decomposed when it is reached is given what that depends on", async () => {
    const t = await backend.client();
    const handle = await t.gp.startGoal(
      "a goal",
      async (_, ctx) => {
        if (!ctx.task) {
          return [
            task("a"),
            task("late", { dependsOn: ["a"], decompose: true }),
            task("end", { dependsOn: ["late"] }),
          ];
        }
        const box = {
          id: "late.box",
          description: "",
          subtasks: [task("late.x", { dependsOn: ["a"], args: { $ref: "a" } })],
        };
        await ctx.stream?.([box]);
        return [box, task("late.y", { dependsOn: ["late.x"] })];
      },
      steps,
    );
    await t.settle();
    const { outputs, output } = await handle.result();
    expect(outputs.late).toEqual({
      "late.box": { "late.x": ["a", "run"] },
      "late.y": ["a", "late.x", "run"],
    });
    expect(output).toEqual({ end: ["late", "run"] });
    await assertInvariants(backend.driver);
  });

  test("is checked part by part, with all that was handed on before", async () => {
    const t = await backend.client();
    const refused: unknown[] = [];
    const handle = await t.gp.startGoal(
      "a goal",
      async (_, ctx) => {
        const attempt = async (tasks: readonly TaskSpec[]): Promise<void> => {
          const { issues } = await rejection<InvalidGraphError>(ctx.stream?.(tasks) ?? Promise.resolve());
          refused.push(...issues.map(({ code, taskId }) => [code, taskId]));
        };
        await ctx.stream?.([task("a")]);
        await attempt([task("b", { dependsOn: ["later"] })]);
        await attempt([task("c", { args: { $ref: "nobody" } })]);
        await attempt([task("d"), task("d"), task("e", { step: "unknown" })]);
        await attempt([task("f"), task("g"), task("h"), task("i")]);
        await ctx.stream?.([task("b", { dependsOn: ["a"] })]);
        return [task("a"), task("b", { dependsOn: ["a"] })];
      },
      steps,
      { maxTasks: 4 },
    );
    await t.settle();
    expect((await handle.result()).output).toEqual({ b: ["a", "run"] });
    expect(refused).toEqual([
      ["UNKNOWN_DEPENDENCY", "b"],
      ["DANGLING_REF", "c"],
      ["DUPLICATE_ID", "d"],
      ["UNKNOWN_STEP", "e"],
      ["TOO_LARGE", undefined],
    ]);
  });

  test("may not become wider than is allowed", async () => {
    const t = await backend.client();
    const handle = await t.gp.startGoal(
      "a goal",
      async (_, ctx) => {
        await ctx.stream?.([task("a"), task("b")]);
        await ctx.stream?.([task("c")]);
        return [];
      },
      steps,
      { maxWidth: 2 },
    );
    await t.settle();
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({
      cause: { code: "INVALID_GRAPH", issues: [{ code: "TOO_WIDE" }] },
    });
  });

  test.for<[string, readonly TaskSpec[], string]>([
    ["another in the plan", [task("a", { description: "changed" }), task("b")], '"a"'],
    ["missing from the plan", [task("b")], '"a"'],
  ])("fails the run if a task is %s, and what runs is aborted", async ([how, answer, id]) => {
    const t = await backend.client();
    const gp = await backend.liveClient({ instanceId: `worker-${Math.random().toString(36).slice(2)}` });
    const begun = defer();
    const reason = defer<unknown>();
    const handle = await gp.startGoal(
      "a goal",
      async (_, ctx) => {
        await ctx.stream?.([task("a", { step: "slow" })]);
        await begun.promise;
        return answer.map((one) => ({ ...one, ...(one.id === "a" && { step: "slow" }) }));
      },
      {
        ...steps,
        slow: async (_, ctx) => {
          begun.resolve();
          await untilAborted(ctx.signal).catch(reason.resolve);
        },
      },
    );
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({
      failedTask: null,
      cause: { code: "DECOMPOSER_FAILED", message: expect.stringContaining(id) },
    });
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({
      cause: { message: expect.stringContaining(how) },
    });
    expect(await reason.promise).toMatchObject({ code: "CANCELLED" });
    expect((await t.gp.runs.get(handle.runId)).tasks).toMatchObject([{ id: "a", status: "cancelled" }]);
  });

  test("is not made twice when planning is repeated: the decomposer is told what there is", async () => {
    const t = await backend.client();
    const told: unknown[] = [];
    const handle = await t.gp.startGoal(
      "a goal",
      async (_, ctx) => {
        told.push(ctx.streamed);
        await ctx.stream?.([task("a")]);
        await ctx.stream?.([task("b", { dependsOn: ["a"] })]);
        if (told.length < 3) {
          throw new Error("again");
        }
        return [task("a"), task("b", { dependsOn: ["a"] }), task("c", { dependsOn: ["b"] })];
      },
      steps,
    );
    for (let attempt = 1; attempt <= 3; attempt++) {
      await t.settle();
      t.clock.advance(60_000);
    }
    expect((await handle.result()).outputs).toEqual({ a: ["run"], b: ["a", "run"], c: ["b", "run"] });
    const both = [{ id: "a" }, { id: "b" }];
    expect(told).toMatchObject([undefined, both, both]);
    await assertInvariants(backend.driver);
  });

  test("of a worker that is gone cannot go on: LEASE_LOST; the next one goes on with it", async () => {
    const first = await backend.client();
    const second = await backend.client();
    const stopped = defer();
    const late = defer<unknown>();
    const calls: (readonly TaskSpec[] | undefined)[] = [];
    const decomposer: Decomposer = async (_, ctx) => {
      calls.push(ctx.streamed);
      await ctx.stream?.([task("a")]);
      if (calls.length === 1) {
        await stopped.promise;
        late.resolve(await rejection(ctx.stream?.([task("late")]) ?? Promise.resolve()));
        throw new Error("too late");
      }
      return [task("a"), task("b", { dependsOn: ["a"] })];
    };
    first.gp.register({ steps, decomposer });
    second.gp.register({ steps, decomposer });
    const queue = `q${Math.random().toString(36).slice(2)}`;
    const worker = second.gp.worker({ queues: [queue] });
    const started = first.gp.worker({ queues: [queue] });
    const handle = await first.gp.startGoal("a goal", undefined, undefined, { queue });
    const ticking = started.tick();
    await expect.poll(async () => (await first.gp.runs.get(handle.runId)).tasks.length).toBe(1);
    const [row] = await backend.query<{ worker: string }>(
      "select worker from goalpost.tasks where run_id = $1::uuid and position = 0",
      [handle.runId],
    );
    await backend.query("select goalpost.put_back($1::uuid, 'lost', 5)", [row?.worker]);
    while ((await worker.tick()) > 0) {
      // Until nothing is left for it.
    }
    stopped.resolve();
    expect(await late.promise).toMatchObject({ code: "LEASE_LOST" });
    await ticking;
    expect((await handle.result()).outputs).toEqual({ a: ["run"], b: ["a", "run"] });
    expect(calls).toMatchObject([undefined, [{ id: "a" }]]);
  });

  test("fails with a task of it that fails for good, and planning is aborted", async () => {
    const gp = await backend.liveClient();
    const reason = defer<unknown>();
    const handle = await gp.startGoal(
      "a goal",
      async (_, ctx) => {
        await ctx.stream?.([task("a", { step: "fail" })]);
        await untilAborted(ctx.signal).catch(reason.resolve);
        return [];
      },
      steps,
    );
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({
      failedTask: { id: "a" },
      cause: { message: "a failed" },
    });
    expect(await reason.promise).toMatchObject({ code: "CANCELLED" });
  });

  test("fails with a task of it that fails for good in the moment in which the plan is whole", async () => {
    const t = await backend.client();
    const moment = defer();
    let working = 0;
    const handle = await t.gp.startGoal(
      "a goal",
      async (_, ctx) => {
        await ctx.stream?.([task("a", { step: "hang" })]);
        await moment.promise;
        return [task("a", { step: "hang" })];
      },
      {
        hang: async () => {
          working += 1;
          await moment.promise;
          throw new NonRetryableError("a failed");
        },
      },
    );
    const first = t.tick();
    await expect.poll(() => handle.progress()).toMatchObject({ totalTasks: 1 });
    const second = t.tick();
    await expect.poll(() => working).toBe(1);
    moment.resolve();
    await Promise.all([first, second]);
    await t.settle();
    expect(await rejection<RunFailedError>(handle.result())).toMatchObject({
      failedTask: { id: "a" },
      cause: { message: "a failed" },
    });
    await assertInvariants(backend.driver);
  });

  test("is made again if a task of it fails for good in the moment in which the plan is whole", async () => {
    const t = await backend.client();
    const moment = defer();
    let working = 0;
    const options: GoalOptions = { replan: { on: "failure", max: 1 } };
    const handle = await t.gp.startGoal(
      "a goal",
      async (_, ctx) => {
        if (ctx.replan) {
          return [task(`not_${ctx.replan.failed.id}`)];
        }
        await ctx.stream?.([task("a", { step: "hang" })]);
        await moment.promise;
        return [task("a", { step: "hang" }), task("end", { dependsOn: ["a"] })];
      },
      {
        ...steps,
        hang: async () => {
          working += 1;
          await moment.promise;
          throw new NonRetryableError("a failed");
        },
      },
      options,
    );
    const first = t.tick();
    await expect.poll(() => handle.progress()).toMatchObject({ totalTasks: 1 });
    const second = t.tick();
    await expect.poll(() => working).toBe(1);
    moment.resolve();
    await Promise.all([first, second]);
    await t.settle();
    expect((await handle.result()).output).toEqual({ not_a: ["run"] });
    await assertInvariants(backend.driver);
  });

  test("goes by what became of its tasks when others come to depend on them", async () => {
    const gp = await backend.liveClient();
    const handle = await gp.startGoal(
      "a goal",
      async (_, ctx) => {
        const first = [
          task("ok"),
          task("gone", { step: "fail", onExhausted: "cascade" }),
          task("left", { step: "fail", onExhausted: "continue" }),
        ];
        await ctx.stream?.(first);
        await expect
          .poll(async () => (await gp.runs.get(handle.runId)).tasks.every((one) => one.finishedAt))
          .toBe(true);
        const more = [task("skipped", { dependsOn: ["gone", "ok"] }), task("runs", { dependsOn: ["left"] })];
        await ctx.stream?.(more);
        return [
          ...first,
          ...more,
          task("too", { dependsOn: ["skipped"] }),
          task("optional", { dependsOn: [{ id: "gone", optional: true }, "ok"] }),
        ];
      },
      steps,
    );
    const { outputs, output } = await handle.result();
    expect(outputs).toEqual({ ok: ["run"], runs: ["run"], optional: ["ok", "run"] });
    expect(output).toEqual({ runs: ["run"], optional: ["ok", "run"] });
    await assertInvariants(backend.driver);
  });

  test("maps over tasks that were handed on, and obeys the limit of the run", async () => {
    const t = await backend.client();
    const handle = await t.gp.startGoal(
      "a goal",
      async (_, ctx) => {
        const first = [task("list", { step: "list" }), task("none", { step: "none" })];
        await ctx.stream?.(first);
        const maps = [
          task("each", { map: { over: "list" }, step: "item" }),
          task("nothing", { map: { over: "none" } }),
        ];
        await ctx.stream?.(maps);
        return [...first, ...maps, task("end", { dependsOn: ["each", "nothing"] })];
      },
      { ...steps, list: () => [1, 2, 3], none: () => [], item: (_, ctx) => ctx.index },
      { maxParallel: 2 },
    );
    await t.settle();
    expect((await handle.result()).outputs).toMatchObject({
      each: [0, 1, 2],
      nothing: [],
      end: ["each", "nothing", "run"],
    });
    await assertInvariants(backend.driver);
  });

  test("waits while the run is paused, and stops when it is cancelled; a retry goes on with it", async () => {
    const t = await backend.client();
    const gate = defer();
    let calls = 0;
    const handle = await t.gp.startGoal(
      "a goal",
      async (_, ctx) => {
        calls += 1;
        await ctx.stream?.([task("a")]);
        if (calls === 1) {
          await gate.promise;
        }
        return [task("a"), task("b", { dependsOn: ["a"] })];
      },
      steps,
    );
    const ticking = t.tick();
    await expect.poll(async () => (await t.gp.runs.get(handle.runId)).tasks.length).toBe(1);
    await t.gp.runs.pause(handle.runId);
    expect((await t.gp.runs.get(handle.runId)).tasks).toMatchObject([{ id: "a", status: "ready" }]);
    await t.gp.runs.cancel(handle.runId);
    gate.resolve();
    await ticking;
    const again = await t.gp.runs.retry(handle.runId);
    await t.settle();
    expect((await t.gp.runs.wait(again)).output).toEqual({ b: ["a", "run"] });
    expect(calls).toBe(2);
    await assertInvariants(backend.driver);
  });

  test("a plan that somebody approves of, or that is only made, is not handed on", async () => {
    const t = await backend.client();
    const seen: DecomposeContext[] = [];
    const decomposer: Decomposer = (_, ctx) => {
      seen.push(ctx);
      return [task("a")];
    };
    await t.gp.decomposeGoal("a goal", decomposer, steps);
    await t.gp.startGoal("a goal", decomposer, steps, { approvePlan: true });
    await t.settle();
    expect(seen.map((ctx) => ctx.stream)).toEqual([undefined, undefined]);
  });

  test("ctx.stream after the answer is refused", async () => {
    const t = await backend.client();
    let stream: DecomposeContext["stream"];
    await t.gp.startGoal(
      "a goal",
      (_, ctx) => {
        stream = ctx.stream;
        return [task("a")];
      },
      steps,
    );
    await t.settle();
    expect(await rejection(stream?.([task("b")]) ?? Promise.resolve())).toMatchObject({
      code: "INVALID_STATE",
    });
  });

  test("is replaced like others, also before it is whole, and may be streamed again", async () => {
    const gp = await backend.liveClient();
    const options: GoalOptions = { replan: { on: "failure", max: 1 } };
    const seen: DecomposeContext[] = [];
    const over = defer();
    const handle = await gp.startGoal(
      "a goal",
      async (_, ctx) => {
        seen.push(ctx);
        if (!ctx.replan) {
          await ctx.stream?.([task("ok"), task("bad", { dependsOn: ["ok"], step: "fail" })]);
          await over.promise;
          return [];
        }
        await ctx.stream?.([task("bad", { dependsOn: ["ok"] })]);
        return [task("bad", { dependsOn: ["ok"] }), task("end", { dependsOn: ["bad"] })];
      },
      steps,
      options,
    );
    const result = await handle.result();
    over.resolve();
    expect(result.output).toEqual({ end: ["bad", "run"] });
    expect(result.graph.tasks.map(({ id }) => id)).toEqual(["ok", "bad", "end"]);
    expect(seen[1]?.replan).toMatchObject({
      failed: { id: "bad" },
      tasks: [{ id: "ok" }, { id: "bad" }],
      completed: { ok: ["run"] },
    });
    expect((await gp.runs.get(handle.runId)).plans).toMatchObject([
      { status: "cancelled" },
      { status: "completed" },
    ]);
    await assertInvariants(backend.driver);
  });
});
