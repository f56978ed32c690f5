import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import {
  type DecomposeContext,
  type Decomposer,
  defineStep,
  executeGoal,
  type GoalHandle,
  type GoalOptions,
  GoalpostError,
  type GoalResult,
  InvalidGraphError,
  type StepMap,
} from "../../src/index.ts";
import type { TestGoalpost } from "../../src/testing/index.ts";
import { defer, rejection } from "../promises.ts";
import { describeOnEachBackend, makeDirectory } from "./backends.ts";

async function finish(t: TestGoalpost, start: Promise<GoalHandle>): Promise<GoalResult> {
  const handle = await start;
  await t.settle();
  return handle.result();
}

describeOnEachBackend("goals", (backend) => {
  /** Plans and runs a goal to its end. */
  async function run(decomposer: Decomposer, steps: StepMap, options: GoalOptions = {}): Promise<GoalResult> {
    const t = await backend.client();
    return finish(t, t.gp.startGoal("a goal", decomposer, steps, options));
  }

  test("the result holds the goal, the graph, every output and the leaves' outputs", async () => {
    const t = await backend.client();
    const goal = { text: "Build user authentication", context: { team: ["ann"] } };
    const tasks = [
      { id: "analyze", description: "read the requirements" },
      { id: "build", description: "write it", dependsOn: ["analyze"] },
      { id: "note", description: "keep notes", dependsOn: ["analyze"] },
    ];
    const handle = await t.gp.startGoal(goal, () => tasks, {
      analyze: () => ({ requirements: 3 }),
      build: ({ analyze }) => analyze.requirements * 2,
      note: () => undefined,
    });
    t.clock.advance(250);
    await t.settle();
    const result = await handle.result();
    expect(result).toMatchObject({
      runId: handle.runId,
      status: "completed",
      goal,
      graph: { tasks, taskCount: 3, depth: 1, width: 2, warnings: [] },
      outputs: { analyze: { requirements: 3 }, build: 6, note: null },
      output: { build: 6, note: null },
      usage: { calls: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 },
      durationMs: 250,
    });
    expect(Object.keys(result).toSorted()).toEqual(
      ["durationMs", "goal", "graph", "output", "outputs", "runId", "status", "usage"].toSorted(),
    );
    expect(Object.keys(result.outputs).toSorted()).toEqual(["analyze", "build", "note"]);
  });

  test("executeGoal plans, runs and returns by itself", async () => {
    const gp = await backend.liveClient();
    const result = await gp.executeGoal("add", async () => ({ tasks: [{ id: "one", description: "" }] }), {
      one: () => 1,
    });
    expect(result.output).toEqual({ one: 1 });
  });

  test("the decomposer is told the goal, the steps, the limits and its place", async () => {
    const seen: { goal: unknown; ctx: DecomposeContext }[] = [];
    const decomposer: Decomposer = (goal, ctx) => {
      seen.push({ goal, ctx });
      return [{ id: "plain", description: "" }];
    };
    const steps = {
      plain: () => 1,
      search: defineStep({
        description: "searches the web",
        args: z.object({ q: z.string(), limit: z.number().default(10) }),
        output: z.array(z.string()),
        execute: ({ q, limit }) => Array.from({ length: limit }, () => q),
      }),
    };
    await run(decomposer, steps, { maxTasks: 7, maxDepth: 2 });
    expect(seen).toHaveLength(1);
    expect(seen[0]?.goal).toEqual({ text: "a goal" });
    expect(seen[0]?.ctx).toMatchObject({
      limits: { maxTasks: 7, maxDepth: 2, maxWidth: 10_000 },
      depth: 0,
      task: undefined,
      outputs: {},
      signal: expect.any(AbortSignal),
    });
    expect(seen[0]?.ctx.steps).toMatchObject([
      { name: "plain" },
      {
        name: "search",
        description: "searches the web",
        argsSchema: { type: "object", required: ["q"], properties: { q: { type: "string" } } },
        outputSchema: { type: "array", items: { type: "string" } },
      },
    ]);
  });

  test("a step is given the goal as run, its dependencies' outputs by id, and its args", async () => {
    const t = await backend.client();
    const seen: unknown[] = [];
    const graph = [
      { id: "first", description: "", step: "echo", args: { n: 1 } },
      { id: "second", description: "", step: "look", dependsOn: ["first"], args: [1, { two: null }] },
    ];
    const goal = { text: "look around", context: [1, 2] };
    await finish(
      t,
      t.gp.startGoal(goal, () => graph, {
        echo: (_, ctx) => ctx.args,
        look: (input, ctx) => void seen.push(input, ctx.args, ctx.goal, ctx.taskId, ctx.input === input),
      }),
    );
    expect(seen).toEqual([
      { run: { goal: "look around", context: [1, 2] }, first: { n: 1 } },
      [1, { two: null }],
      goal,
      "second",
      true,
    ]);
  });

  test("a step made with defineStep is given its parsed args, and the input as ctx.input", async () => {
    const seen: unknown[] = [];
    const greet = defineStep({
      description: "greets",
      args: z.object({ name: z.string().trim(), mark: z.string().default("!") }),
      execute: ({ name, mark }, ctx) => {
        seen.push(ctx.input, ctx.args);
        return `hello ${name}${mark}`;
      },
    });
    const graph = [
      { id: "who", description: "" },
      { id: "greet", description: "", args: { name: " you " }, dependsOn: ["who"] },
    ];
    const { output } = await run(() => graph, { who: () => "me", greet });
    expect(output).toEqual({ greet: "hello you!" });
    expect(seen).toEqual([
      { run: { goal: "a goal" }, who: "me" },
      { name: "you", mark: "!" },
    ]);
  });

  test("an output schema parses what is stored", async () => {
    const count = defineStep({
      description: "counts",
      args: z.object({}),
      output: z.object({ n: z.coerce.number() }),
      execute: () => ({ n: "41", extra: true }),
    });
    expect((await run(() => [{ id: "count", description: "" }], { count })).output).toEqual({
      count: { n: 41 },
    });
  });

  test("an output that its schema does not allow fails the attempt, which is tried again", async () => {
    const t = await backend.client();
    let calls = 0;
    const fussy = defineStep({
      description: "returns a number at last",
      args: z.object({}),
      output: z.number(),
      retry: { baseMs: 0 },
      maxAttempts: 2,
      execute: () => {
        calls += 1;
        return "not a number" as never;
      },
    });
    const failed = await rejection(
      finish(
        t,
        t.gp.startGoal("g", () => [{ id: "fussy", description: "" }], { fussy }),
      ),
    );
    expect(calls).toBe(2);
    expect(failed).toMatchObject({ failedTask: { attempt: 2 }, cause: { code: "STEP_FAILED" } });
    expect(failed.message).toContain("output");
  });

  test("a task's own policy comes before its step's", async () => {
    let calls = 0;
    const flaky = defineStep({
      description: "fails",
      args: z.object({}),
      maxAttempts: 5,
      retry: { baseMs: 0 },
      execute: (): never => {
        calls += 1;
        throw new Error("no");
      },
    });
    const graph = [{ id: "once", description: "", step: "flaky", maxAttempts: 1 }];
    expect(await rejection(run(() => graph, { flaky }))).toMatchObject({ failedTask: { attempt: 1 } });
    expect(calls).toBe(1);
  });

  test("a step can serve many tasks, each with its own args", async () => {
    const ids = Array.from({ length: 30 }, (_, index) => `t${index}`);
    const { output } = await run(
      () => ids.map((id, n) => ({ id, description: "", step: "square", args: { n } })),
      { square: (_, ctx) => ctx.args.n ** 2 },
    );
    expect(output).toEqual(Object.fromEntries(ids.map((id, n) => [id, n ** 2])));
  });

  test("the text of a goal must not be empty", async () => {
    const t = await backend.client();
    for (const goal of ["", "  ", { text: "" }, null as never, { text: 1 } as never]) {
      expect(await rejection(t.gp.startGoal(goal, () => [], {}))).toMatchObject({ code: "INVALID_INPUT" });
    }
  });
});

describeOnEachBackend("compound tasks", (backend) => {
  test("the output of a compound task is its leaves' outputs by id, to several levels", async () => {
    const t = await backend.client();
    const graph = [
      { id: "prepare", description: "" },
      {
        id: "outer",
        description: "",
        dependsOn: ["prepare"],
        subtasks: [
          { id: "outer.a", description: "", step: "id" },
          {
            id: "inner",
            description: "",
            dependsOn: ["outer.a"],
            subtasks: [
              { id: "inner.a", description: "", step: "id" },
              { id: "inner.b", description: "", step: "id", dependsOn: ["inner.a"] },
              {
                id: "core",
                description: "",
                subtasks: [{ id: "core.a", description: "", step: "id" }],
              },
            ],
          },
        ],
      },
      { id: "report", description: "", step: "inputs", dependsOn: ["outer"] },
    ];
    const result = await finish(
      t,
      t.gp.startGoal("nest", () => graph, {
        prepare: () => "ready",
        id: (_, ctx) => ctx.taskId,
        inputs: (input) => input,
      }),
    );
    const inner = { "inner.b": "inner.b", core: { "core.a": "core.a" } };
    expect(result.outputs).toMatchObject({ core: { "core.a": "core.a" }, inner, outer: { inner } });
    expect(result.output).toEqual({ report: { run: { goal: "nest" }, outer: { inner } } });
    expect(result.graph).toMatchObject({ taskCount: 9, depth: 4 });
  });

  test("subtasks start after the dependencies of what surrounds them, and are given their outputs", async () => {
    const t = await backend.client();
    const order: string[] = [];
    const graph = [
      { id: "before", description: "", step: "note" },
      {
        id: "outer",
        description: "",
        dependsOn: ["before"],
        subtasks: [
          {
            id: "inner",
            description: "",
            subtasks: [{ id: "deep", description: "", step: "note" }],
          },
        ],
      },
      { id: "after", description: "", step: "note", dependsOn: ["outer"] },
    ];
    const { outputs } = await finish(
      t,
      t.gp.startGoal("order", () => graph, {
        note: (input, ctx) => {
          order.push(ctx.taskId);
          return Object.keys(input).toSorted();
        },
      }),
    );
    expect(order).toEqual(["before", "deep", "after"]);
    expect(outputs).toMatchObject({ deep: ["before", "run"], after: ["outer", "run"] });
  });

  test("a task can depend on a subtask of another", async () => {
    const t = await backend.client();
    const graph = [
      {
        id: "outer",
        description: "",
        subtasks: [
          { id: "quick", description: "", step: "id" },
          { id: "slow", description: "", step: "id", dependsOn: ["quick"] },
        ],
      },
      { id: "early", description: "", step: "given", dependsOn: ["quick"] },
    ];
    const { output } = await finish(
      t,
      t.gp.startGoal("reach in", () => graph, {
        id: (_, ctx) => ctx.taskId,
        given: ({ quick }) => quick,
      }),
    );
    expect(output).toEqual({ outer: { slow: "slow" }, early: "quick" });
  });

  test("runs.get shows compound tasks with their place", async () => {
    const t = await backend.client();
    const graph = [
      { id: "outer", description: "holds", subtasks: [{ id: "leaf", description: "works", step: "id" }] },
    ];
    const { runId } = await finish(
      t,
      t.gp.startGoal("look", () => graph, { id: () => 1 }),
    );
    const run = await t.gp.runs.get(runId);
    expect(run).toMatchObject({ source: "planned", workflow: "goal", graph: { tasks: graph } });
    expect(run.tasks).toMatchObject([
      { id: "outer", step: null, parent: null, depth: 1, description: "holds", status: "completed" },
      { id: "leaf", step: "id", parent: "outer", depth: 2, description: "works", attempts: 1 },
    ]);
  });
});

describeOnEachBackend("references in args", (backend) => {
  async function argsOf(value: unknown, args: unknown): Promise<unknown> {
    const t = await backend.client();
    const graph = [
      { id: "make", description: "" },
      { id: "use", description: "", args },
    ];
    const { output } = await finish(
      t,
      t.gp.startGoal("bind", () => graph, { make: () => value, use: (_, ctx) => ctx.args }),
    );
    return output.use;
  }

  test("a reference waits for its task and takes the output's place, types kept", async () => {
    const value = { items: [{ n: 41 }], flag: false, nothing: null };
    const args = {
      whole: { $ref: "make" },
      number: { $ref: "make", path: "items.0.n" },
      brackets: { $ref: "make", path: "items[0].n" },
      list: [{ $ref: "make", path: "flag" }, { $ref: "make", path: "nothing" }, "text"],
    };
    expect(await argsOf(value, args)).toEqual({
      whole: value,
      number: 41,
      brackets: 41,
      list: [false, null, "text"],
    });
  });

  test("the args as a whole can be a reference", async () => {
    expect(await argsOf([1, 2], { $ref: "make" })).toEqual([1, 2]);
  });

  test("what looks like a reference in an output is data", async () => {
    const trap = { $ref: "secret", path: "x" };
    expect(await argsOf({ trap }, { given: { $ref: "make", path: "trap" } })).toEqual({ given: trap });
  });

  test("a path that leads nowhere fails the task at once and says what there is", async () => {
    const error = await rejection(argsOf({ items: [] }, { n: { $ref: "make", path: "item.0" } }));
    expect(error).toMatchObject({
      failedTask: { id: "use", attempt: 1 },
      cause: { code: "INVALID_INPUT", message: expect.stringContaining("it has: items") },
    });
  });

  test("bound args that do not fit the schema fail with INVALID_INPUT, and are not tried again", async () => {
    const t = await backend.client();
    let calls = 0;
    const double = defineStep({
      description: "doubles",
      args: z.object({ n: z.number() }),
      execute: ({ n }) => {
        calls += 1;
        return n * 2;
      },
    });
    const graph = [
      { id: "make", description: "" },
      { id: "double", description: "", args: { n: { $ref: "make" } } },
    ];
    const failed = await rejection(
      finish(
        t,
        t.gp.startGoal("bind", () => graph, { make: () => "a text", double }),
      ),
    );
    expect(failed).toMatchObject({
      failedTask: { id: "double", step: "double", attempt: 1 },
      cause: { code: "INVALID_INPUT", message: expect.stringContaining("args.n") },
    });
    expect(calls).toBe(0);
  });
});

describeOnEachBackend("graphs made before", (backend) => {
  test("decomposeGoal returns and stores the graph, and runs nothing", async () => {
    const t = await backend.client();
    let calls = 0;
    const graph = await t.gp.decomposeGoal("only plan", () => [{ id: "a", description: "do a" }], {
      a: () => ++calls,
    });
    await t.settle();
    expect(graph).toMatchObject({ tasks: [{ id: "a", description: "do a" }], taskCount: 1, depth: 1 });
    expect(calls).toBe(0);
    expect(await t.gp.runs.list({ limit: 1 })).toEqual([]);
    const stored = await backend.query<{ goal: string; graph: string }>(
      "select goal::text, graph::text from goalpost.plans where goal->>'text' = 'only plan'",
    );
    expect(stored.map((plan) => JSON.parse(plan.graph))).toEqual([graph]);
  });

  test("decomposeGoal throws what is wrong with the graph itself", async () => {
    const t = await backend.client();
    const decomposer = () => [{ id: "a", description: "", dependsOn: ["b"] }];
    const error = await rejection<InvalidGraphError>(t.gp.decomposeGoal("g", decomposer, { a: () => 1 }));
    expect(error).toBeInstanceOf(InvalidGraphError);
    expect(error.issues).toMatchObject([{ code: "UNKNOWN_DEPENDENCY", taskId: "a", path: "dependsOn[0]" }]);
  });

  test("decomposeGoal without steps checks the plan as a plan only", async () => {
    const t = await backend.client();
    const graph = await t.gp.decomposeGoal("g", () => [{ id: "a", description: "", step: "unknown" }]);
    expect(graph.taskCount).toBe(1);
  });

  test("decomposeGoal throws DECOMPOSER_FAILED itself, with what was thrown as its cause", async () => {
    const t = await backend.client();
    const failure = new Error("no idea");
    const decomposer = (): never => {
      throw failure;
    };
    const error = await rejection(t.gp.decomposeGoal("g", decomposer));
    expect(error).toMatchObject({ code: "DECOMPOSER_FAILED", cause: failure });
  });

  test("decomposeGoal gives up after planTimeoutMs and aborts the decomposer's signal", async () => {
    const t = await backend.client();
    let signal: AbortSignal | undefined;
    const planning = rejection(
      t.gp.decomposeGoal(
        "g",
        (_, ctx) => {
          signal = ctx.signal;
          t.clock.advance(500);
          return new Promise<never>(() => undefined);
        },
        {},
        { planTimeoutMs: 500 },
      ),
    );
    expect(await planning).toMatchObject({ code: "DECOMPOSER_FAILED" });
    expect(signal?.aborted).toBe(true);
  });

  test("decomposeGoal with an aborted signal asks nobody", async () => {
    const t = await backend.client();
    const reason = new Error("never mind");
    let calls = 0;
    const decomposer = (): never[] => {
      calls += 1;
      return [];
    };
    const planning = t.gp.decomposeGoal("g", decomposer, {}, { signal: AbortSignal.abort(reason) });
    expect(await rejection(planning)).toBe(reason);
    expect(calls).toBe(0);
  });

  test("a decomposer that fails after the signal was aborted fails unseen", async () => {
    const t = await backend.client();
    const controller = new AbortController();
    const failed = defer();
    const decomposer = async (): Promise<never> => {
      controller.abort(new Error("never mind"));
      await failed.promise;
      throw new Error("an unhandled rejection would fail this test file");
    };
    const planning = t.gp.decomposeGoal("g", decomposer, {}, { signal: controller.signal });
    expect(await rejection(planning)).toMatchObject({ message: "never mind" });
    failed.resolve();
    await new Promise(setImmediate);
  });

  test("executeGraph runs a graph, under a goal made of its descriptions", async () => {
    const gp = await backend.liveClient();
    const tasks = [
      { id: "a", description: "say a" },
      { id: "b", description: "say b", dependsOn: ["a"] },
    ];
    const steps: StepMap = { a: (input) => input.run.goal, b: ({ a }) => a };
    const result = await gp.executeGraph({ tasks }, steps);
    expect(result).toMatchObject({ goal: { text: "say a; say b" }, output: { b: "say a; say b" } });
    expect((await gp.executeGraph(tasks, steps, { goal: "alphabet" })).output).toEqual({ b: "alphabet" });
  });

  test("executeGraph runs what decomposeGoal returned", async () => {
    const gp = await backend.liveClient();
    const steps = { a: () => 1 };
    const graph = await gp.decomposeGoal("g", () => [{ id: "a", description: "" }], steps);
    expect((await gp.executeGraph(JSON.parse(JSON.stringify(graph)), steps, { goal: "g" })).output).toEqual({
      a: 1,
    });
  });

  test("executeGraph refuses a graph with problems before anything is stored", async () => {
    const t = await backend.client();
    const tasks = [{ id: "lonely", description: "", step: "unknown_step" }];
    const refused = await rejection(t.gp.executeGraph(tasks, { a: () => 1 }, { goal: "refused graph" }));
    expect(refused).toBeInstanceOf(InvalidGraphError);
    const runs = await t.gp.runs.list();
    expect(runs.filter((run) => JSON.stringify(run.input).includes("refused graph"))).toEqual([]);
  });
});

describeOnEachBackend("several goals", (backend) => {
  const decomposer: Decomposer = ({ text }) => {
    if (text === "impossible") {
      throw new GoalpostError("DECOMPOSER_FAILED", "no", { retryable: false });
    }
    return [{ id: "do", description: text }];
  };

  test("are run one beside the other, and their results are in their order", async () => {
    const gp = await backend.liveClient();
    const second = defer();
    const steps: StepMap = {
      do: async ({ run: { goal } }) => {
        // The first goal ends only when the second one has.
        await (goal === "one" ? second.promise : second.resolve());
        return goal;
      },
    };
    const results = await gp.composeGoals(["one", { text: "two", context: 2 }], decomposer, steps);
    expect(results).toMatchObject([
      { status: "completed", goal: { text: "one" }, output: { do: "one" } },
      { status: "completed", goal: { text: "two", context: 2 }, output: { do: "two" } },
    ]);
  });

  test("are run one after the other with parallel: false", async () => {
    const gp = await backend.liveClient();
    const log: string[] = [];
    const steps: StepMap = {
      do: async ({ run: { goal } }) => {
        log.push(`begin ${goal}`);
        await new Promise(setImmediate);
        log.push(`end ${goal}`);
      },
    };
    await gp.composeGoals(["one", "two"], decomposer, steps, { parallel: false });
    expect(log).toEqual(["begin one", "end one", "begin two", "end two"]);
  });

  test("that fail do not stop the others", async () => {
    const gp = await backend.liveClient();
    const steps: StepMap = { do: () => "done" };
    for (const parallel of [true, false]) {
      const results = await gp.composeGoals(["impossible", "possible"], decomposer, steps, { parallel });
      expect(results).toMatchObject([
        { status: "failed", error: { code: "RUN_FAILED", cause: { code: "DECOMPOSER_FAILED" } } },
        { status: "completed", output: { do: "done" } },
      ]);
    }
  });

  test("are all refused if one of them is no goal", async () => {
    const gp = await backend.liveClient();
    let plans = 0;
    const counting: Decomposer = () => {
      plans += 1;
      return [];
    };
    expect(await rejection(gp.composeGoals(["fine", " "], counting, {}))).toMatchObject({
      code: "INVALID_INPUT",
    });
    expect(plans).toBe(0);
  });
});

describe("executeGoal, the function", () => {
  test("opens the given database, runs to the end and closes it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "goalpost-goals-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const directory = join(folder, "db");
    makeDirectory(directory);
    const result = await executeGoal(
      "say hello",
      () => [{ id: "hello", description: "says it" }],
      { hello: ({ run }) => `you said: ${run.goal}` },
      { database: `pglite:${directory}`, labels: { from: "a test" } },
    );
    expect(result).toMatchObject({ status: "completed", output: { hello: "you said: say hello" } });
    expect(existsSync(`${directory}.lock`)).toBe(false);
  });
});
