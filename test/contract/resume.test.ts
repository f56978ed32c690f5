import { expect, test } from "vitest";
import type { Decomposer, StepMap } from "../../src/index.ts";
import { defer, rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const tasks = [
  { id: "first", description: "" },
  { id: "second", description: "", dependsOn: ["first"] },
  { id: "third", description: "", dependsOn: ["second"] },
];

describeOnEachBackend("resuming goals", (backend) => {
  /** Steps that write down what they do; the second waits as long as the test wants. */
  function steps(done: string[], hold: () => Promise<unknown> = async () => undefined): StepMap {
    return {
      first: () => {
        done.push("first");
        return "one";
      },
      second: async ({ first }) => {
        done.push("second");
        await hold();
        return `${first} two`;
      },
      third: ({ second }) => {
        done.push("third");
        return `${second} three`;
      },
    };
  }

  test("an interrupted run is continued by a new one, without what was finished", async () => {
    const t = await backend.client();
    const goal = "continue";
    const done: string[] = [];
    let plans = 0;
    const decomposer: Decomposer = () => {
      plans += 1;
      return tasks;
    };
    const stopped = await t.gp.startGoal(
      goal,
      decomposer,
      steps(done, () => t.gp.runs.cancel(stopped.runId, { reason: "interrupted" })),
    );
    await t.settle();
    expect(done).toEqual(["first", "second"]);

    t.clock.advance(60_000);
    const again = await t.gp.startGoal(goal, decomposer, steps(done), { resume: true });
    t.clock.advance(500);
    await t.settle();
    expect(again).toMatchObject({ resumed: "continued" });
    expect(again.runId).not.toBe(stopped.runId);
    expect(await again.result()).toMatchObject({
      output: { third: "one two three" },
      outputs: { first: "one", second: "one two", third: "one two three" },
      graph: { tasks },
      durationMs: 500,
    });
    expect(done).toEqual(["first", "second", "second", "third"]);
    expect(plans).toBe(1);
    expect((await t.gp.runs.get(again.runId)).retryOf).toBe(stopped.runId);
  });

  test("what ctx.once remembered of an unfinished task is carried over", async () => {
    const t = await backend.client();
    const goal = "remember";
    let paid = 0;
    const decomposer = () => [{ id: "pay", description: "" }];
    const pay =
      (after: (runId: string) => Promise<unknown>): StepMap["pay"] =>
      async (_, ctx) => {
        const receipt = await ctx.once("charge", () => ++paid);
        await after(ctx.runId);
        return receipt;
      };
    const interrupted = pay((runId) => t.gp.runs.cancel(runId, { reason: "interrupted" }));
    await t.gp.startGoal(goal, decomposer, { pay: interrupted });
    await t.settle();
    const again = await t.gp.startGoal(
      goal,
      decomposer,
      { pay: pay(async () => undefined) },
      { resume: true },
    );
    await t.settle();
    expect((await again.result()).output).toEqual({ pay: 1 });
  });

  test("finished parts of compound tasks are kept, and their joins gather old and new", async () => {
    const t = await backend.client();
    const goal = "compound";
    const done: string[] = [];
    const graph = [
      { id: "before", description: "", step: "id" },
      {
        id: "box",
        description: "",
        dependsOn: ["before"],
        subtasks: [
          { id: "box.a", description: "", step: "id" },
          { id: "box.b", description: "", step: "stop", dependsOn: ["box.a"] },
          { id: "box.c", description: "", step: "id" },
        ],
      },
    ];
    let stop = true;
    const code: StepMap = {
      id: (_, ctx) => {
        done.push(ctx.taskId);
        return ctx.taskId;
      },
      stop: async (_, ctx) => {
        if (stop) {
          await t.gp.runs.cancel(ctx.runId, { reason: "interrupted" });
        }
        return "stopped here";
      },
    };
    await t.gp.startGoal(goal, () => graph, code);
    await t.settle();
    stop = false;
    const again = await t.gp.startGoal(goal, () => graph, code, { resume: true });
    await t.settle();
    expect((await again.result()).output).toEqual({ box: { "box.b": "stopped here", "box.c": "box.c" } });
    expect(done.filter((id) => id === "before")).toHaveLength(1);
    expect(done.filter((id) => id === "box.a")).toHaveLength(1);
  });

  test("a run that its process left is taken over as the same run", async () => {
    const left = await backend.client();
    const goal = "take over";
    const done: string[] = [];
    const begun = defer();
    const hold = (): Promise<never> => {
      begun.resolve();
      return new Promise<never>(() => undefined);
    };
    const handle = await left.gp.startGoal(goal, () => tasks, steps(done, hold));
    left.settle().catch(() => undefined);
    await begun.promise;
    await left.close();

    const t = await backend.client();
    const again = await t.gp.startGoal(goal, () => tasks, steps(done), { resume: true });
    await t.settle();
    expect(again).toMatchObject({ runId: handle.runId, resumed: "taken over" });
    expect((await again.result()).output).toEqual({ third: "one two three" });
    expect(done).toEqual(["first", "second", "second", "third"]);
    const run = await t.gp.runs.get(handle.runId);
    expect(run.tasks.map((task) => task.attempts)).toEqual([1, 1, 1]);
  });

  test("a run whose owner is alive is left to it, and its result is waited for", async () => {
    const owner = await backend.client();
    const goal = "still going on";
    const ownerDid: string[] = [];
    const otherDid: string[] = [];
    const begun = defer();
    const release = defer();
    const hold = (): Promise<void> => {
      begun.resolve();
      return release.promise;
    };
    const handle = await owner.gp.startGoal(goal, () => tasks, steps(ownerDid, hold));
    const settling = owner.settle();
    await begun.promise;

    const other = await backend.liveClient();
    const again = await other.startGoal(goal, () => tasks, steps(otherDid), { resume: true });
    expect(again.runId).toBe(handle.runId);
    release.resolve();
    await settling;
    expect((await again.result()).output).toEqual({ third: "one two three" });
    expect(ownerDid).toEqual(["first", "second", "third"]);
    expect(otherDid).toEqual([]);
  });

  test("a task that waited to be tried again when its process left is not forgotten", async () => {
    const left = await backend.client();
    const goal = "take over a retry";
    const done: string[] = [];
    const failing = (): Promise<never> => Promise.reject(new Error("not yet"));
    await left.gp.startGoal(goal, () => tasks, steps(done, failing));
    await left.settle();
    await left.close();

    const t = await backend.client();
    const again = await t.gp.startGoal(goal, () => tasks, steps(done), { resume: true });
    await t.settle();
    t.clock.advance(60_000);
    await t.settle();
    expect((await again.result()).output).toEqual({ third: "one two three" });
    expect(done).toEqual(["first", "second", "second", "third"]);
  });

  test("a step that is missing here is waited for, at no cost", async () => {
    const left = await backend.client();
    const goal = "missing code";
    const done: string[] = [];
    const handle = await left.gp.startGoal(goal, () => tasks, steps(done));
    await left.tick();
    await left.close();

    const t = await backend.client();
    const { second: _, ...lacking } = steps(done);
    await t.gp.startGoal(goal, () => tasks, lacking, { resume: true });
    for (let look = 0; look < 5; look++) {
      await t.settle();
      t.clock.advance(30_000);
    }
    expect(done).toEqual(["first"]);
    expect((await t.gp.runs.get(handle.runId)).status).toBe("running");
    const again = await t.gp.startGoal(goal, () => tasks, steps(done), { resume: true });
    t.clock.advance(30_000);
    await t.settle();
    expect((await again.result()).output).toEqual({ third: "one two three" });
    const { tasks: records } = await t.gp.runs.get(handle.runId);
    expect(records.map((task) => task.attempts)).toEqual([1, 1, 1]);
  });

  test.for<["completed" | "failed" | "cancelled", string]>([
    ["completed", "one two three"],
    ["failed", "one two three"],
    ["cancelled", "one two three"],
  ])("after a run that %s a fresh one is started", async ([ended, output]) => {
    const t = await backend.client();
    const goal = `afresh after ${ended}`;
    const done: string[] = [];
    const hold = async (): Promise<void> => {
      if (ended === "failed") {
        throw new Error("no");
      }
      if (ended === "cancelled") {
        await t.gp.runs.cancel(before.runId, { reason: "not wanted" });
      }
    };
    const once = tasks.map((task) => ({ ...task, maxAttempts: 1 }));
    const before = await t.gp.startGoal(goal, () => once, steps(done, hold));
    await t.settle();
    expect((await t.gp.runs.get(before.runId)).status).toBe(ended);
    t.clock.advance(1000);
    done.length = 0;
    const after = await t.gp.startGoal(goal, () => once, steps(done), { resume: true });
    await t.settle();
    expect(after.resumed).toBeNull();
    expect((await after.result()).output).toEqual({ third: output });
    expect(done).toEqual(["first", "second", "third"]);
  });

  test("another goal, or the same text with another context, is no run to go on with", async () => {
    const t = await backend.client();
    const done: string[] = [];
    const stop = await t.gp.startGoal({ text: "contexts", context: 1 }, () => tasks, steps(done));
    await stop.cancel("interrupted");
    for (const goal of [{ text: "contexts", context: 2 }, { text: "contexts" }, "other"]) {
      const handle = await t.gp.startGoal(goal, () => tasks, steps(done), { resume: true });
      expect(handle.resumed).toBeNull();
    }
  });

  test("a run is continued again when its continuation was interrupted, too", async () => {
    const t = await backend.client();
    const goal = "interrupted twice";
    const done: string[] = [];
    const interrupt = (step: string): StepMap => {
      const code = steps(done);
      const stopping: StepMap[string] = async (_, ctx) => {
        await t.gp.runs.cancel(ctx.runId, { reason: "interrupted" });
      };
      return { ...code, [step]: stopping };
    };
    await t.gp.startGoal(goal, () => tasks, interrupt("second"));
    await t.settle();
    t.clock.advance(1000);
    const second = await t.gp.startGoal(goal, () => tasks, interrupt("third"), { resume: true });
    await t.settle();
    expect(await rejection(second.result())).toMatchObject({ cause: { message: "interrupted" } });
    t.clock.advance(1000);
    const third = await t.gp.startGoal(goal, () => tasks, steps(done), { resume: true });
    await t.settle();
    expect((await third.result()).output).toEqual({ third: "one two three" });
    expect(done).toEqual(["first", "second", "third"]);
    expect((await t.gp.runs.get(third.runId)).retryOf).toBe(second.runId);
  });
});
