import { expect, test } from "vitest";
import { z } from "zod";
import { defineStep, type StepMap, type TaskSpec, workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";

const deploy = (calls: unknown[]): StepMap => ({
  deploy: defineStep({
    description: "deploys",
    args: z.object({ to: z.string() }),
    execute: (args, ctx) => {
      calls.push(args);
      return { ...args, attempt: ctx.attempt };
    },
  }),
});

const graph: TaskSpec[] = [
  { id: "deploy", description: "deploy it", args: { to: "staging" }, approval: true, maxAttempts: 3 },
];

async function park(backend: Backend, calls: unknown[] = []) {
  const t = await backend.client({ workers: { concurrency: 1 } });
  const handle = await t.gp.startGoal("deploy", () => graph, deploy(calls));
  const record = async () => (await t.gp.runs.get(handle.runId)).tasks.find((task) => task.id === "deploy");
  return { t, runs: t.gp.runs, handle, record };
}

describeOnEachBackend("approvals", (backend) => {
  test("a task is not carried out before it is approved, and its record says who did", async () => {
    const calls: unknown[] = [];
    const { t, runs, handle, record } = await park(backend, calls);
    await t.settle();
    expect(calls).toEqual([]);
    expect(await record()).toMatchObject({
      status: "suspended",
      attempts: 1,
      waitingFor: [{ kind: "approval", name: null, since: new Date(t.clock.now()), dueAt: null }],
      approval: { status: "waiting", by: null, at: null, note: null, reason: null },
    });
    t.clock.advance(1000);
    await runs.approve(handle.runId, "deploy", { by: "Ann", note: "go \u{1f600}" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ deploy: { to: "staging", attempt: 1 } });
    expect(await record()).toMatchObject({
      waitingFor: [],
      approval: {
        status: "approved",
        by: "Ann",
        at: new Date(t.clock.now()),
        note: "go \u{1f600}",
        reason: null,
      },
    });
  });

  test("args given with it replace the planned ones, and are checked by the step's schema", async () => {
    const { t, runs, handle } = await park(backend);
    await t.settle();
    await runs.approve(handle.runId, "deploy", { by: "Ann", args: { to: "\u0000" } });
    await t.settle();
    expect((await handle.result()).output).toEqual({ deploy: { to: "\u0000", attempt: 1 } });
    const other = await park(backend);
    await other.t.settle();
    await other.runs.approve(other.handle.runId, "deploy", { by: "Ann", args: { to: 5 } });
    await other.t.settle();
    expect(await rejection(other.handle.result())).toMatchObject({
      failedTask: { id: "deploy", attempt: 1 },
      cause: { code: "INVALID_INPUT" },
    });
  });

  test("a rejection fails the task with REJECTED, without another try", async () => {
    const calls: unknown[] = [];
    const { t, runs, handle, record } = await park(backend, calls);
    await t.settle();
    await runs.reject(handle.runId, "deploy", { by: "Bob", reason: "not on a Friday" });
    await t.settle();
    const error = await rejection(handle.result());
    expect(error).toMatchObject({
      failedTask: { id: "deploy", step: "deploy", attempt: 1 },
      cause: { code: "REJECTED", details: { by: "Bob", reason: "not on a Friday" } },
    });
    expect(error.message).toContain("Bob: not on a Friday");
    expect(calls).toEqual([]);
    expect((await record())?.approval).toMatchObject({
      status: "rejected",
      by: "Bob",
      reason: "not on a Friday",
    });
  });

  test("a decision is made once; a second one is told who made the first, and when", async () => {
    const { t, runs, handle } = await park(backend);
    await t.settle();
    await runs.approve(handle.runId, "deploy", { by: "Ann" });
    const error = await rejection(runs.reject(handle.runId, "deploy", { by: "Bob", reason: "no" }));
    expect(error).toMatchObject({ code: "INVALID_STATE", details: { by: "Ann", state: "approved" } });
    expect(error.message).toContain("approved already, by Ann at 2026-01-01T00:00:00");
    await t.settle();
    expect((await handle.result()).output).toMatchObject({ deploy: { to: "staging" } });
  });

  test("is kept over a retry of the task", async () => {
    const t = await backend.client();
    const handle = await t.gp.startGoal("flaky", () => [{ id: "a", description: "a", approval: true }], {
      a: (_, ctx) => {
        if (ctx.attempt === 1) {
          throw new Error("once more");
        }
        return ctx.attempt;
      },
    });
    await t.settle();
    await t.gp.runs.approve(handle.runId, "a", { by: "Ann" });
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: 2 });
  });

  test("cannot be given before the task is reached, nor to a task that needs none, nor after a cancellation", async () => {
    const t = await backend.client();
    const tasks: TaskSpec[] = [
      { id: "a", description: "a" },
      { id: "b", description: "b", dependsOn: ["a"], approval: true },
    ];
    const handle = await t.gp.startGoal("early", () => tasks, { a: () => 1, b: () => 1 });
    await t.tick();
    const approve = (id: string) => rejection(t.gp.runs.approve(handle.runId, id, { by: "Ann" }));
    expect(await approve("b")).toMatchObject({
      code: "INVALID_STATE",
      message: expect.stringContaining('task "b" is waiting and does not wait for approval'),
    });
    const record = async () => (await t.gp.runs.get(handle.runId)).tasks.find((task) => task.id === "b");
    expect((await record())?.approval).toMatchObject({ status: "required", by: null });
    await t.settle();
    expect(await approve("a")).toMatchObject({ code: "INVALID_STATE" });
    await t.gp.runs.cancel(handle.runId);
    expect(await approve("b")).toMatchObject({
      code: "INVALID_STATE",
      message: expect.stringContaining("cancelled"),
    });
  });

  test("what is wrong with a decision is said before anything is decided", async () => {
    const { t, runs, handle, record } = await park(backend);
    await t.settle();
    const { runId } = handle;
    const code = async (decision: Promise<unknown>) => (await rejection(decision)).code;
    expect(await code(runs.approve(runId, "nothing", { by: "Ann" }))).toBe("INVALID_INPUT");
    expect(await code(runs.approve("nobody", "deploy", { by: "Ann" }))).toBe("RUN_NOT_FOUND");
    expect(await code(runs.approve(runId, "deploy", { by: " " }))).toBe("INVALID_INPUT");
    expect(await code(runs.approve(runId, "deploy", { by: "Ann", args: Number.NaN }))).toBe("INVALID_INPUT");
    expect(await code(runs.reject(runId, "deploy", { by: "Ann" } as never))).toBe("INVALID_INPUT");
    expect((await record())?.approval?.status).toBe("waiting");
  });

  test("a step of a workflow can ask for it as well; it has no args to replace", async () => {
    const t = await backend.client();
    const w = workflow("release").step("ship", { approval: true }, () => "shipped");
    const handle = await t.gp.start(w, null);
    await t.settle();
    const withArgs = t.gp.runs.approve(handle.runId, "ship", { by: "Ann", args: {} });
    expect(await rejection(withArgs)).toMatchObject({ code: "INVALID_INPUT" });
    await t.gp.runs.approve(handle.runId, "ship", { by: "Ann" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ ship: "shipped" });
  });

  test("a task to be decomposed is approved before its decomposer is asked", async () => {
    const t = await backend.client();
    let asked = 0;
    const handle = await t.gp.startGoal(
      "later",
      (_, ctx) => {
        if (!ctx.task) {
          return [{ id: "big", description: "big", decompose: true, approval: true }];
        }
        asked += 1;
        return [{ id: "small", description: "small" }];
      },
      { small: () => 1 },
    );
    await t.settle();
    expect(asked).toBe(0);
    const big = (await t.gp.runs.get(handle.runId)).tasks.find((task) => task.id === "big");
    expect(big?.waitingFor).toMatchObject([{ kind: "approval" }]);
    await t.gp.runs.approve(handle.runId, "big", { by: "Ann" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ big: { small: 1 } });
  });

  test("of a task that holds others is refused when the graph is checked", async () => {
    const t = await backend.client();
    const tasks = [
      {
        id: "all",
        description: "all",
        approval: true,
        subtasks: [{ id: "a", description: "a", approval: 1 as never }],
      },
    ];
    const error = await rejection(t.gp.decomposeGoal("nested", () => tasks, { a: () => 1 }));
    expect(error).toMatchObject({
      code: "INVALID_GRAPH",
      issues: [
        { code: "INVALID_TASK", taskId: "all", path: "approval" },
        { code: "INVALID_TASK", taskId: "a", path: "approval" },
      ],
    });
  });
});
