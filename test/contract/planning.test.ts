import { expect, test } from "vitest";
import { z } from "zod";
import {
  type DecomposeContext,
  type Decomposer,
  defineStep,
  type GoalOptions,
  InvalidGraphError,
  type RunFailedError,
  rule,
  rules,
  type StepMap,
} from "../../src/index.ts";
import { defer, rejection, untilAborted } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("planning that fails", (backend) => {
  /** Runs a goal until it has failed, retries included, and returns why. */
  async function failure(
    decomposer: Decomposer,
    steps: StepMap = { a: () => 1 },
    options: GoalOptions = {},
  ): Promise<RunFailedError> {
    const t = await backend.client();
    const handle = await t.gp.startGoal("a goal", decomposer, steps, options);
    for (let attempt = 1; attempt <= 3; attempt++) {
      await t.settle();
      t.clock.advance(60_000);
    }
    const error = await rejection<RunFailedError>(handle.result());
    expect(error).toMatchObject({ code: "RUN_FAILED", runId: handle.runId, failedTask: null });
    expect(await backend.countByStatus(handle.runId)).toEqual({ failed: 1, cancelled: 1 });
    return error;
  }

  test("a decomposer that throws is asked three times, then DECOMPOSER_FAILED", async () => {
    let calls = 0;
    const error = await failure(() => {
      calls += 1;
      throw new Error(`no idea ${calls}`);
    });
    expect(error.cause).toMatchObject({
      code: "DECOMPOSER_FAILED",
      message: "the decomposer threw: no idea 3",
    });
    expect(calls).toBe(3);
  });

  test("a decomposer that comes round is forgiven", async () => {
    const t = await backend.client();
    let calls = 0;
    const handle = await t.gp.startGoal(
      "a goal",
      () => {
        calls += 1;
        if (calls < 3) {
          throw new Error("not now");
        }
        return [{ id: "a", description: "" }];
      },
      { a: () => 1 },
    );
    for (let attempt = 1; attempt <= 3; attempt++) {
      await t.settle();
      t.clock.advance(60_000);
    }
    expect((await handle.result()).output).toEqual({ a: 1 });
  });

  test.for<[string, unknown, string]>([
    ["prose", "First, we analyze. Then we build.", "a text of 33 characters"],
    ["null", null, "null"],
    ["nothing", undefined, "undefined"],
    ["an object without tasks", { plan: [], notes: "" }, "an object with plan, notes"],
    ["a number", 7, "a number"],
  ])("a decomposer that returns %s is DECOMPOSER_FAILED at once", async ([, value, described]) => {
    let calls = 0;
    const error = await failure(() => {
      calls += 1;
      return value as never;
    });
    expect(error.cause).toMatchObject({
      code: "DECOMPOSER_FAILED",
      message: expect.stringContaining(described),
    });
    expect(calls).toBe(1);
  });

  test("a plan with problems is INVALID_GRAPH at once, listing all of them", async () => {
    let calls = 0;
    const error = await failure(() => {
      calls += 1;
      return [
        { id: "a", description: "", dependsOn: ["c"] },
        { id: "b", description: "", dependsOn: ["a"] },
        { id: "c", description: "", dependsOn: ["b"] },
        { id: "c", description: "", dependsOn: ["nowhere"] },
      ];
    });
    expect(error.cause).toBeInstanceOf(InvalidGraphError);
    const { issues } = error.cause as InvalidGraphError;
    const codes = new Set(issues.map((issue) => issue.code));
    expect(codes).toEqual(new Set(["CYCLE", "DUPLICATE_ID", "UNKNOWN_DEPENDENCY", "UNKNOWN_STEP"]));
    expect(issues.find((issue) => issue.code === "CYCLE")?.cycle).toHaveLength(4);
    expect(calls).toBe(1);
  });

  test("an empty plan is INVALID_GRAPH", async () => {
    expect((await failure(() => [])).cause).toMatchObject({
      code: "INVALID_GRAPH",
      issues: [{ code: "EMPTY_GRAPH" }],
    });
  });

  test("10,001 tasks are too many", async () => {
    const tasks = Array.from({ length: 10_001 }, (_, n) => ({ id: `t${n}`, description: "", step: "a" }));
    expect((await failure(() => tasks)).cause).toMatchObject({
      code: "INVALID_GRAPH",
      issues: [{ code: "TOO_LARGE" }, { code: "TOO_WIDE" }],
    });
  });

  test("args that do not fit their step's schema are found when it is planned", async () => {
    const search = defineStep({
      description: "searches",
      args: z.object({ q: z.string(), limit: z.number() }),
      execute: () => [],
    });
    const error = await failure(
      () => [
        { id: "bad", description: "", step: "search", args: { q: 1, limit: { $ref: "a" } } },
        { id: "a", description: "" },
      ],
      { search, a: () => 1 },
    );
    expect(error.cause).toMatchObject({
      code: "INVALID_GRAPH",
      issues: [{ code: "INVALID_ARGS", taskId: "bad", path: "args.q" }],
    });
  });

  test("a decomposer that takes longer than planTimeoutMs is aborted, and the run fails", async () => {
    const t = await backend.client();
    const begun = defer();
    const reason = defer<unknown>();
    const handle = await t.gp.startGoal(
      "slow",
      async (_, ctx) => {
        begun.resolve();
        await untilAborted(ctx.signal).catch(reason.resolve);
        return [];
      },
      { a: () => 1 },
      { planTimeoutMs: 2000 },
    );
    const settling = t.settle();
    await begun.promise;
    t.clock.advance(2000);
    await settling;
    expect(await reason.promise).toMatchObject({ code: "DECOMPOSER_FAILED" });
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: null,
      cause: { code: "DECOMPOSER_FAILED", message: expect.stringContaining("2000 ms") },
    });
  });

  test("a rule that throws is not asked again", async () => {
    let calls = 0;
    const error = await failure(
      rules([
        rule("a {what}", (): never => {
          calls += 1;
          throw new Error("broken rule");
        }),
      ]),
    );
    expect(error.cause).toMatchObject({
      code: "DECOMPOSER_FAILED",
      message: 'rule "a {what}" threw: broken rule',
    });
    expect(calls).toBe(1);
  });

  test("a goal that no rule matches is DECOMPOSER_FAILED, naming the rules there are", async () => {
    const error = await failure(rules([rule("build {what}", () => [])]));
    expect(error.cause).toMatchObject({
      code: "DECOMPOSER_FAILED",
      message: expect.stringContaining("build {what}"),
    });
  });

  test("a missing decomposer is refused before anything is stored", async () => {
    const t = await backend.client();
    expect(await rejection(t.gp.startGoal("a goal", undefined, { a: () => 1 }))).toMatchObject({
      code: "INVALID_INPUT",
    });
  });
});

describeOnEachBackend("tasks that are decomposed when they are reached", (backend) => {
  test("the decomposer is told the task, its depth and the outputs it waited for", async () => {
    const t = await backend.client();
    const seen: [string, Partial<DecomposeContext>][] = [];
    const decomposer: Decomposer = ({ text }, { task, depth, outputs }) => {
      seen.push([text, { task, depth, outputs }]);
      if (!task) {
        return [
          { id: "list", description: "list the parts" },
          {
            id: "parts",
            description: "work on each part",
            dependsOn: ["list"],
            args: { limit: { $ref: "list", path: "length" } },
            decompose: true,
          },
          { id: "sum", description: "", dependsOn: ["parts"] },
        ];
      }
      return (outputs.list as string[]).map((part) => ({
        id: `parts.${part}`,
        description: part,
        step: "work",
        args: { part, all: { $ref: "list" } },
      }));
    };
    const handle = await t.gp.startGoal("do all parts", decomposer, {
      list: () => ["x", "y"],
      work: (input, ctx) => ({ part: ctx.args.part, of: ctx.args.all, given: Object.keys(input) }),
      sum: ({ parts }) => Object.keys(parts),
    });
    await t.settle();
    const { outputs, output } = await handle.result();
    expect(seen).toEqual([
      ["do all parts", { task: undefined, depth: 0, outputs: {} }],
      [
        "work on each part",
        {
          task: { id: "parts", description: "work on each part", args: { limit: 2 } },
          depth: 1,
          outputs: { list: ["x", "y"] },
        },
      ],
    ]);
    expect(output).toEqual({ sum: ["parts.x", "parts.y"] });
    expect(outputs["parts.x"]).toEqual({ part: "x", of: ["x", "y"], given: ["list", "run"] });
    expect(outputs.parts).toEqual({ "parts.x": outputs["parts.x"], "parts.y": outputs["parts.y"] });
  });

  test("what was decomposed late shows up in the run, inside its task", async () => {
    const t = await backend.client();
    const decomposer: Decomposer = (_, { task }) =>
      task
        ? [{ id: `${task.id}.1`, description: "", step: "work" }]
        : [{ id: "later", description: "decide later", decompose: true }];
    const handle = await t.gp.startGoal("grow", decomposer, { work: () => 1 });
    await t.settle();
    expect((await t.gp.runs.get(handle.runId)).tasks).toMatchObject([
      { id: "later", step: null, depth: 1, parent: null },
      { id: "later.1", step: "work", depth: 2, parent: "later" },
    ]);
    expect(await handle.progress()).toMatchObject({ totalTasks: 1, completedTasks: 1, percentage: 100 });
  });

  test("decomposition goes on to several levels, and stops at maxDepth", async () => {
    const t = await backend.client();
    const decomposer: Decomposer = (_, { task }) => [
      { id: `${task?.id ?? "d"}.x`, description: "deeper", decompose: true },
    ];
    const handle = await t.gp.startGoal("dig", decomposer, {}, { maxDepth: 3 });
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: null,
      cause: { code: "INVALID_GRAPH", issues: [{ code: "TOO_DEEP" }] },
    });
    const ids = (await t.gp.runs.get(handle.runId)).tasks.map((task) => task.id);
    expect(ids).toEqual(["d.x", "d.x.x", "d.x.x.x"]);
  });

  test("a compound task that is decomposed late can hold compound tasks of its own", async () => {
    const t = await backend.client();
    const decomposer: Decomposer = (_, { task }) =>
      task
        ? [
            {
              id: "box",
              description: "",
              subtasks: [
                { id: "box.1", description: "", step: "id" },
                { id: "box.2", description: "", step: "id", dependsOn: ["box.1", "first"] },
              ],
            },
          ]
        : [
            { id: "first", description: "", step: "id" },
            { id: "late", description: "", dependsOn: ["first"], decompose: true },
            { id: "last", description: "", step: "given", dependsOn: ["late"] },
          ];
    const handle = await t.gp.startGoal("box", decomposer, {
      id: (input, ctx) => `${ctx.taskId} after ${Object.keys(input).toSorted()}`,
      given: ({ late }) => late,
    });
    await t.settle();
    expect((await handle.result()).output).toEqual({
      last: { box: { "box.2": "box.2 after box.1,first,run" } },
    });
  });

  test("ids that another task of the run has are refused", async () => {
    const t = await backend.client();
    const decomposer: Decomposer = (_, { task }) =>
      task
        ? [{ id: "first", description: "" }]
        : [
            { id: "first", description: "" },
            { id: "late", description: "", dependsOn: ["first"], decompose: true },
          ];
    const handle = await t.gp.startGoal("again", decomposer, { first: () => 1 });
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      cause: { code: "INVALID_GRAPH", issues: [{ code: "DUPLICATE_ID", taskId: "first" }] },
    });
  });

  test("two tasks decomposed at the same time cannot add the same id", async () => {
    const t = await backend.client();
    const decomposer: Decomposer = (_, { task }) =>
      task
        ? [{ id: "same", description: "", step: "work" }]
        : [
            { id: "one", description: "", decompose: true },
            { id: "two", description: "", decompose: true },
          ];
    const handle = await t.gp.startGoal("collide", decomposer, { work: () => 1 });
    await t.settle();
    const { cause } = await rejection<RunFailedError>(handle.result());
    expect(cause).toMatchObject({
      code: "INVALID_GRAPH",
      issues: [{ code: "DUPLICATE_ID", taskId: "same" }],
    });
  });

  test("a late decomposer that fails ends the run, and no task is blamed", async () => {
    const t = await backend.client();
    const decomposer: Decomposer = (_, { task }) =>
      task
        ? ("I would rather not" as never)
        : [
            { id: "late", description: "", decompose: true },
            { id: "after", description: "", step: "work", dependsOn: ["late"] },
          ];
    const handle = await t.gp.startGoal("fail late", decomposer, { work: () => 1 });
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      failedTask: null,
      cause: { code: "DECOMPOSER_FAILED" },
    });
    const { failed, cancelled, completed, ...others } = await backend.countByStatus(handle.runId);
    expect({ failed, cancelled, completed, others }).toEqual({
      failed: 1,
      cancelled: 3,
      completed: 1,
      others: {},
    });
  });
});

describeOnEachBackend("goals of registered apps", (backend) => {
  test("need neither a decomposer nor steps", async () => {
    const t = await backend.client();
    t.gp.register({ decomposer: () => [{ id: "a", description: "" }], steps: { a: () => "registered" } });
    const handle = await t.gp.startGoal("use the app");
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: "registered" });
  });

  test("refuse another function under a taken name, and take the same one again", async () => {
    const t = await backend.client();
    const a = (): number => 1;
    t.gp.register({ steps: { a } });
    t.gp.register({ steps: { a } });
    expect(() => t.gp.register({ steps: { a: () => 2 } })).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT" }),
    );
  });
});
