import { expect, test } from "vitest";
import { z } from "zod";
import type { DecomposeContext, GoalOptions, StepContext, StepMap, TaskSpec } from "../../src/index.ts";
import { defineStep } from "../../src/index.ts";
import { always, scriptedModel, type TestGoalpost } from "../../src/testing/index.ts";
import { defer, rejection, untilAborted } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("goals and what was learned", (backend) => {
  /** Twice three short tasks in a row beside one long one. */
  const uneven: readonly TaskSpec[] = [
    ...["a", "b"].flatMap((row) => [
      { id: `${row}1`, description: "", step: "short" },
      { id: `${row}2`, description: "", step: "short", dependsOn: [`${row}1`] },
      { id: `${row}3`, description: "", step: "short", dependsOn: [`${row}2`] },
    ]),
    { id: "alone", description: "", step: "long" },
  ];

  /** A client of one slot measures what each task takes by itself: the clock stands still between them. */
  async function learner(order: string[], { concurrency = 1, waits = false } = {}) {
    const t = await backend.client({ workers: { concurrency } });
    const steps: StepMap = {
      short: (_, ctx) => {
        order.push(ctx.taskId);
        t.clock.advance(100);
        return ctx.taskId;
      },
      long: async (_, ctx) => {
        if (waits) {
          await ctx.sleep(1);
        }
        order.push(ctx.taskId);
        t.clock.advance(2000);
        return ctx.taskId;
      },
    };
    const run = async (tasks: readonly TaskSpec[], options: GoalOptions = {}) => {
      const handle = await t.gp.startGoal("an uneven goal", () => [...tasks], steps, options);
      await t.settle();
      if (waits) {
        t.clock.advance(10);
        await t.settle();
      }
      return handle.result();
    };
    return { t, steps, run };
  }

  test("with statistics the longest way left in milliseconds begins first, not the one with most tasks", async () => {
    const order: string[] = [];
    const { t, run } = await learner(order);
    await t.gp.learning.reset();
    for (let time = 0; time < 6; time++) {
      await run(uneven);
    }
    await t.gp.learning.flush();
    expect(order.slice(-7)[0]).toBe("a1");
    const two = await learner(order, { concurrency: 2 });
    const result = await two.run(uneven, { optimize: "advanced" });
    expect(order.slice(-7)[0]).toBe("alone");
    expect(result.output).toEqual({ a3: "a3", b3: "b3", alone: "alone" });
  });

  test("what was decided is kept with what it promised, and what came of it", async () => {
    const { t, run } = await learner([]);
    for (let time = 0; time < 6; time++) {
      await run(uneven);
    }
    await t.gp.learning.flush();
    const { runId } = await run(uneven, { optimize: "advanced" });
    const explained = await t.gp.learning.explain(runId);
    expect(explained).toMatchObject({
      runId,
      level: "advanced",
      realised: { status: "completed", costUsd: 0 },
    });
    expect(explained.realised?.makespanMs).toBeGreaterThanOrEqual(1000);
    expect(explained.decisions.length).toBeGreaterThan(0);
    expect(explained.decisions.some(({ samples }) => samples >= 6)).toBe(true);
    expect(new Set(explained.decisions.map(({ snapshotId }) => snapshotId)).size).toBe(1);
  });

  test("without statistics advanced is as basic: nothing fails, and it says so", async () => {
    const { t, run } = await learner([]);
    await t.gp.learning.reset();
    const result = await run(uneven, { optimize: "advanced" });
    expect(result.outputs).toMatchObject({ a1: "a1", alone: "alone" });
    expect((await t.gp.learning.explain(result.runId)).decisions).toBeDefined();
  });

  test("a run of which nothing was decided is explained as such", async () => {
    const { t, run } = await learner([]);
    const { runId } = await run(uneven);
    expect(await t.gp.learning.explain(runId)).toMatchObject({ level: null, decisions: [], realised: null });
    expect(await rejection(t.gp.learning.explain("01890000-0000-7000-8000-000000000000"))).toMatchObject({
      code: "RUN_NOT_FOUND",
    });
  });

  test("tasks that do the same and touch nothing are carried out once, and all have the output", async () => {
    const order: string[] = [];
    const { run } = await learner(order);
    const pure = { description: "", step: "short", args: { q: 1 }, effects: {} };
    const result = await run([
      { id: "one", ...pure },
      { id: "other", ...pure },
      { id: "third", ...pure },
      { id: "after", description: "", step: "long", dependsOn: ["one", "other"] },
    ]);
    expect(order).toEqual(["one", "after"]);
    expect(result.outputs).toEqual({ one: "one", other: "one", third: "one", after: "after" });
    expect(result.output).toEqual({ third: "one", after: "after" });
  });

  test("a step that says it touches nothing need not be told so by each task", async () => {
    let calls = 0;
    const t = await backend.client();
    const look = defineStep({
      description: "Looks something up.",
      args: z.object({ q: z.number() }),
      effectFree: true,
      execute: ({ q }) => {
        calls += 1;
        return q;
      },
    });
    const tasks = ["one", "other"].map((id) => ({ id, description: "", step: "look", args: { q: 1 } }));
    const handle = await t.gp.startGoal("look twice", () => tasks, { look });
    await t.settle();
    expect((await handle.result()).outputs).toEqual({ one: 1, other: 1 });
    expect(calls).toBe(1);
  });

  // Some hundred tries of which one in ten takes ten times as long, then one that does not end by itself.
  test("a slow try of an idempotent step is overtaken by a second copy of it", async () => {
    const alone = await backend.client({ workers: { concurrency: 1 } });
    const t = await backend.client({ clock: alone.clock });
    await t.gp.learning.reset();
    let [calls, stuck] = [0, -1];
    const begun = defer();
    const fetch = defineStep({
      description: "Fetches something.",
      args: z.object({}),
      idempotent: true,
      execute: (_, ctx) => {
        calls += 1;
        if (calls === stuck) {
          begun.resolve();
          return untilAborted(ctx.signal);
        }
        t.clock.advance(calls % 10 === 0 ? 1000 : 100);
        return ctx.taskId;
      },
    });
    const run = (on: typeof t, count: number, optimize: "basic" | "aggressive") => {
      const tasks = Array.from({ length: count }, (_, n) => ({
        id: `f${n}`,
        description: "",
        step: "fetch",
      }));
      return on.gp.startGoal("fetch", () => tasks, { fetch }, { optimize });
    };
    for (let round = 0; round < 6; round++) {
      const handle = await run(alone, 20, "basic");
      await alone.settle();
      await handle.result();
    }
    await alone.gp.learning.flush();
    stuck = calls + 1;
    const handle = await run(t, 1, "aggressive");
    const settled = t.settle();
    await begun.promise;
    t.clock.advance(1100);
    await settled;
    const { outputs, runId } = await handle.result();
    expect(outputs).toEqual({ f0: "f0" });
    expect(calls).toBe(stuck + 1);
    const { decisions } = await t.gp.learning.explain(runId);
    expect(decisions.find(({ kind }) => kind === "hedge")).toMatchObject({ adopted: true, tasks: ["f0"] });
  });

  test("off the critical path a cheaper model is asked that was good at the step before", async () => {
    const model = scriptedModel([always({ text: "fine" })]);
    const t = await backend.client({
      model,
      llm: {
        prices: {
          "scripted/medium": { input: 10, output: 10 },
          "scripted/simple": { input: 1, output: 1 },
        },
      },
    });
    await t.gp.learning.reset();
    let named: "simple" | undefined = "simple";
    const ask = async (ctx: StepContext): Promise<string> => {
      const request = { messages: [{ role: "user", content: ctx.taskId }] } as const;
      const { requestId, model: asked } = await ctx.llm({ ...request, model: named });
      await t.gp.llm.feedback(requestId, { score: 1 });
      return asked;
    };
    const steps: StepMap = {
      aside: (_, ctx) => ask(ctx),
      main: async (_, ctx) => {
        t.clock.advance(20_000);
        return ask(ctx);
      },
    };
    const run = async (aside: number, optimize: "basic" | "advanced") => {
      const tasks = [
        { id: "main", description: "", step: "main" },
        ...Array.from({ length: aside }, (_, n) => ({ id: `aside${n}`, description: "", step: "aside" })),
      ];
      const handle = await t.gp.startGoal("ask", () => tasks, steps, { optimize });
      await t.settle();
      return handle.result();
    };
    await run(30, "basic");
    named = undefined;
    await run(2, "basic");
    await t.gp.learning.flush();
    await t.gp.llm.routes({});
    const { outputs, runId } = await run(1, "advanced");
    expect(outputs).toEqual({ main: "medium", aside0: "simple" });
    const { decisions } = await t.gp.learning.explain(runId);
    const decision = decisions.find(({ kind }) => kind === "model");
    expect(decision).toMatchObject({ adopted: true, tasks: ["aside0"] });
    expect(decision?.change).toContain("simple instead of");
  });

  /** Three runs with "aggressive" that all took too long, then one more; the level of each. */
  async function slowRuns(run: Awaited<ReturnType<typeof learner>>["run"], t: TestGoalpost) {
    const levels: unknown[] = [];
    for (let time = 0; time < 4; time++) {
      const { runId } = await run(uneven, { optimize: "aggressive" });
      levels.push((await t.gp.learning.explain(runId)).level);
      await backend.query(
        `update goalpost.decisions set realised = '{"status":"completed","makespanMs":1e9,"costUsd":0}' where run_id = $1`,
        [runId],
      );
    }
    return levels;
  }

  test("after three slower runs of a graph aggressive is advanced, until that is forgotten", async () => {
    const { t, run } = await learner([]);
    const learn = async (): Promise<void> => {
      await t.gp.learning.reset();
      for (let time = 0; time < 6; time++) {
        await run(uneven);
      }
      await t.gp.learning.flush();
    };
    await learn();
    expect(await slowRuns(run, t)).toEqual(["aggressive", "aggressive", "aggressive", "advanced"]);
    await learn();
    const { runId } = await run(uneven, { optimize: "aggressive" });
    expect((await t.gp.learning.explain(runId)).level).toBe("aggressive");
  });

  test("runs that waited for others are no slower than was promised", async () => {
    const { t, run } = await learner([], { waits: true });
    await t.gp.learning.reset();
    for (let time = 0; time < 6; time++) {
      await run(uneven);
    }
    await t.gp.learning.flush();
    expect(await slowRuns(run, t)).toEqual(Array.from({ length: 4 }, () => "aggressive"));
  });

  test("a decomposer is told what is known of the steps", async () => {
    const { t, steps, run } = await learner([]);
    await t.gp.learning.reset();
    let told: DecomposeContext["steps"] = [];
    const plan = async (): Promise<void> => {
      const handle = await t.gp.startGoal(
        "told",
        (_, ctx) => {
          told = ctx.steps;
          return [{ id: "short", description: "" }];
        },
        steps,
      );
      await t.settle();
      await handle.result();
    };
    await plan();
    expect(told.map(({ estimate }) => estimate)).toEqual([undefined, undefined]);
    await run(uneven);
    await t.gp.learning.flush();
    t.clock.advance(20_000);
    await plan();
    expect(told.find(({ name }) => name === "long")?.estimate?.medianMs).toBeGreaterThan(1900);
  });

  test("a level that is none is refused before anything is stored", async () => {
    const { run } = await learner([]);
    expect(await rejection(run(uneven, { optimize: "best" as never }))).toMatchObject({
      code: "INVALID_INPUT",
    });
  });
});
