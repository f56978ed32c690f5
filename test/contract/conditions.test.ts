import { expect, test } from "vitest";
import { type GoalInput, type OnSkip, type Workflow, workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("conditions and failure policies", (backend) => {
  const carryOut = async <I, O>(w: Workflow<I, O>, input: NoInfer<I>) => {
    const t = await backend.client();
    const { runId } = await t.gp.start(w, input);
    await t.settle();
    const run = await t.gp.runs.get(runId);
    return { run, status: Object.fromEntries(run.tasks.map((task) => [task.id, task.status])) };
  };
  const boom = (): never => {
    throw new Error("boom");
  };

  test("a step whose condition is met runs", async () => {
    const w = workflow<number>("met")
      .step("n", ({ run }) => run)
      .step("big", { after: ["n"], when: ({ n }) => n > 5 }, ({ n }) => n);
    expect((await carryOut(w, 6)).run).toMatchObject({ status: "completed", output: { big: 6 } });
  });

  test("a step whose condition is not met is skipped, and so are those that need it", async () => {
    const w = workflow<number>("unmet")
      .step("n", ({ run }) => run)
      .step("big", { after: ["n"], when: ({ n }) => n > 5 }, boom)
      .step("after_big", { after: ["big"] }, boom)
      .map("each", { over: "after_big" }, boom)
      .step("other", { after: ["n"] }, ({ n }) => n);
    const { run, status } = await carryOut(w, 5);
    expect(run).toMatchObject({ status: "completed", output: { other: 5 } });
    expect(status).toEqual({
      n: "completed",
      big: "skipped",
      after_big: "skipped",
      each: "skipped",
      other: "completed",
    });
  });

  test("a root step can be skipped by the run's input, and a run of nothing else completes", async () => {
    const w = workflow<boolean>("root").step("only", { when: ({ run }) => run }, boom);
    expect((await carryOut(w, false)).run).toMatchObject({ status: "completed", output: {} });
  });

  test('onSkip "continue" lets dependents run without the output', async () => {
    const w = workflow<boolean>("continue")
      .step("maybe", { when: ({ run }) => run, onSkip: "continue" }, () => 1)
      .step("next", { after: ["maybe"] }, (input) => Object.keys(input).sort());
    expect((await carryOut(w, false)).run.output).toEqual({ next: ["run"] });
    expect((await carryOut(w, true)).run.output).toEqual({ next: ["maybe", "run"] });
  });

  test("an optional dependency that was skipped is absent", async () => {
    const w = workflow<boolean>("optional")
      .step("a", { when: ({ run }) => run }, () => "a")
      .step("b", { when: ({ run }) => !run }, () => "b")
      .step("join", { optional: ["a", "b"] }, ({ a, b }) => [a ?? null, b ?? null]);
    expect((await carryOut(w, true)).run.output).toEqual({ join: ["a", null] });
    expect((await carryOut(w, false)).run.output).toEqual({ join: [null, "b"] });
  });

  test("a join waits for its living dependencies although another was skipped", async () => {
    const order: string[] = [];
    const w = workflow("alive")
      .step("skipped", { when: () => false }, boom)
      .step("slow", () => order.push("slow"))
      .step("slower", { after: ["slow"] }, () => order.push("slower"))
      .step("join", { after: ["slower"], optional: ["skipped"] }, () => order.push("join"));
    await carryOut(w, null);
    expect(order).toEqual(["slow", "slower", "join"]);
  });

  test("a dependent of a skipped step is decided only when its last dependency is", async () => {
    const t = await backend.client();
    const w = workflow("late_decision")
      .step("skipped", { when: () => false }, boom)
      .step("first", () => 1)
      .step("second", { after: ["first"] }, () => 2)
      .step("both", { after: ["skipped", "second"] }, boom);
    const { runId } = await t.gp.start(w, null);
    await t.tick();
    const both = (await t.gp.runs.get(runId)).tasks.find((task) => task.id === "both");
    expect(both?.status).toBe("waiting");
    await t.settle();
    expect((await t.gp.runs.get(runId)).tasks.find((task) => task.id === "both")?.status).toBe("skipped");
  });

  test("two dependencies skipped at once count as two", async () => {
    const w = workflow("two")
      .step("a", { when: () => false, onSkip: "continue" }, boom)
      .step("b", { when: () => false, onSkip: "continue" }, boom)
      .step("c", () => 3)
      .step("join", { after: ["a", "b", "c"] }, ({ c }) => c);
    expect((await carryOut(w, null)).run.output).toEqual({ join: 3 });
  });

  test.each<OnSkip>(["cascade", "continue"])("a map whose source was skipped with %j", async (onSkip) => {
    const w = workflow("skipped_source")
      .step("make", { when: () => false, onSkip }, () => [1])
      .map("each", { over: "make" }, (n) => n)
      .step("count", { after: ["each"] }, ({ each }) => each.length);
    const { run, status } = await carryOut(w, null);
    expect(run.status).toBe("completed");
    expect(run.output).toEqual(onSkip === "continue" ? { count: 0 } : {});
    expect(status.each).toBe(onSkip === "continue" ? "completed" : "skipped");
  });

  test("a condition that throws fails the run without a retry, and is no attempt", async () => {
    let called = 0;
    const w = workflow("throws").step("a", { when: () => boom(), maxAttempts: 5 }, () => ++called);
    const { run } = await carryOut(w, null);
    expect(run).toMatchObject({ status: "failed", error: { message: "boom" } });
    expect(run.tasks[0]).toMatchObject({ status: "failed", history: [] });
    expect(called).toBe(0);
  });

  test("a condition may be asynchronous", async () => {
    const w = workflow<number>("async").step("a", { when: async ({ run }) => run > 1 }, () => "ran");
    expect((await carryOut(w, 2)).run.output).toEqual({ a: "ran" });
    expect((await carryOut(w, 1)).run.output).toEqual({});
  });

  test("a skipped step has an end but no start, and its dependents' outputs are no part of the run's", async () => {
    const w = workflow("times").step("a", { when: () => false }, boom);
    const { run } = await carryOut(w, null);
    expect(run.tasks[0]).toMatchObject({ status: "skipped", attempts: 0, output: null });
    expect(run.tasks[0]?.finishedAt).not.toBeNull();
  });

  test('onExhausted "continue" keeps the error and lets dependents run without the output', async () => {
    const w = workflow("tolerant")
      .step("bad", { maxAttempts: 1, onExhausted: "continue" }, boom)
      .step("next", { after: ["bad"] }, (input) => Object.keys(input));
    const { run, status } = await carryOut(w, null);
    expect(run).toMatchObject({ status: "completed", output: { next: ["run"] } });
    expect(status).toEqual({ bad: "failed", next: "completed" });
    expect(run.tasks[0]).toMatchObject({ error: { message: "boom" }, output: null });
  });

  test('onExhausted "cascade" skips what needs the step; independent branches go on', async () => {
    const w = workflow("cascading")
      .step("bad", { maxAttempts: 1, onExhausted: "cascade" }, boom)
      .step("child", { after: ["bad"] }, boom)
      .step("grandchild", { after: ["child"] }, boom)
      .step("free", () => 1)
      .step("hopeful", { after: ["free"], optional: ["bad"] }, ({ free }) => free);
    const { run, status } = await carryOut(w, null);
    expect(run).toMatchObject({ status: "completed", output: { hopeful: 1 } });
    expect(status).toEqual({
      bad: "failed",
      child: "skipped",
      grandchild: "skipped",
      free: "completed",
      hopeful: "completed",
    });
  });

  test("attempts are used up before a policy applies", async () => {
    const t = await backend.client();
    let tries = 0;
    const w = workflow("used_up").step(
      "bad",
      { maxAttempts: 3, onExhausted: "continue", retry: { baseMs: 100, jitter: false } },
      () => {
        tries += 1;
        boom();
      },
    );
    const handle = await t.gp.start(w, null);
    for (let round = 0; round < 4; round++) {
      await t.settle();
      t.clock.advance(1000);
    }
    expect((await handle.result()).output).toEqual({});
    expect(tries).toBe(3);
  });

  test.each(["continue", "cascade"] as const)(
    "an item that failed for good fails its map with %j: the others are cancelled, the run goes on",
    async (onExhausted) => {
      const w = workflow<number[]>("map_policy")
        .map("each", { maxAttempts: 1, concurrency: 1, onExhausted }, (n) => (n === 2 ? boom() : n))
        .step("next", { after: ["each"] }, (input) => Object.keys(input));
      const { run, status } = await carryOut(w, [1, 2, 3]);
      expect(run.status).toBe("completed");
      expect(run.output).toEqual(onExhausted === "continue" ? { next: ["run"] } : {});
      expect(status.each).toBe("failed");
      expect(await backend.countByStatus(run.id)).toMatchObject({ failed: 2, cancelled: 1 });
    },
  );

  test("a compound task whose leaves were all skipped is skipped; with one alive it completes", async () => {
    const graph = (alive: boolean) => [
      { id: "bad", description: "fails", maxAttempts: 1, onExhausted: "cascade" as const },
      {
        id: "whole",
        description: "whole",
        subtasks: [
          { id: "x", description: "x", dependsOn: ["bad"] },
          ...(alive ? [{ id: "y", description: "y" }] : []),
        ],
      },
      { id: "after", description: "after", dependsOn: ["whole"] },
    ];
    const steps = { bad: boom, x: boom, y: () => "y", after: (input: GoalInput) => input.whole };
    for (const alive of [true, false]) {
      const t = await backend.client();
      const handle = await t.gp.startGoal(`compound ${alive}`, () => graph(alive), steps);
      await t.settle();
      expect((await handle.result()).output).toEqual(alive ? { after: { y: "y" } } : {});
    }
  });

  test("a failed run stops its siblings: nothing new starts, every row is final", async () => {
    const started: string[] = [];
    const w = workflow("stops")
      .step("bad", { maxAttempts: 1 }, boom)
      .step("after_bad", { after: ["bad"] }, () => started.push("after_bad"))
      .step("after_that", { after: ["after_bad"] }, () => started.push("after_that"))
      .step("one", () => started.push("one"))
      .step("two", { after: ["one"] }, () => started.push("two"));
    const t = await backend.client({ workers: { concurrency: 1 } });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({ failedTask: { id: "bad" } });
    expect(started).toEqual([]);
    expect(await backend.countByStatus(handle.runId)).toEqual({ failed: 1, cancelled: 5 });
  });

  test.each([{ onSkip: "never" }, { onExhausted: "retry" }, { when: true }])(
    "options that cannot be are refused: %j",
    (options) => {
      expect(() => workflow("w").step("a", options as never, () => 1)).toThrow(
        expect.objectContaining({ code: "INVALID_INPUT" }),
      );
    },
  );
});
