import { expect, test } from "vitest";
import type { DecomposeContext, GoalOptions, StepMap, TaskSpec } from "../../src/index.ts";
import { rejection } from "../promises.ts";
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
  async function learner(order: string[], concurrency = 1) {
    const t = await backend.client({ workers: { concurrency } });
    const steps: StepMap = {
      short: (_, ctx) => {
        order.push(ctx.taskId);
        t.clock.advance(100);
        return ctx.taskId;
      },
      long: (_, ctx) => {
        order.push(ctx.taskId);
        t.clock.advance(2000);
        return ctx.taskId;
      },
    };
    const run = async (tasks: readonly TaskSpec[], options: GoalOptions = {}) => {
      const handle = await t.gp.startGoal("an uneven goal", () => [...tasks], steps, options);
      await t.settle();
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
    const two = await learner(order, 2);
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
