import { expect, test } from "vitest";
import { z } from "zod";
import { type Decomposer, defineStep, type GoalOptions, rule, rules, type StepMap } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";

const plan = [
  { id: "look", description: "look around" },
  { id: "tell", description: "tell it", args: { to: "Ann" }, dependsOn: ["look"] },
];

interface Asked {
  planned: number;
  readonly called: unknown[];
}

async function ask(backend: Backend, options: GoalOptions = {}, decomposer?: Decomposer) {
  const t = await backend.client();
  const asked: Asked = { planned: 0, called: [] };
  const steps: StepMap = {
    look: () => asked.called.push("look"),
    tell: defineStep({
      description: "tells",
      args: z.object({ to: z.string() }),
      execute: (args) => asked.called.push(args),
    }),
  };
  const usual: Decomposer = () => {
    asked.planned += 1;
    return { tasks: plan, origin: { by: "me", promptSha256: "abc" } };
  };
  const handle = await t.gp.startGoal("look and tell", decomposer ?? usual, steps, {
    approvePlan: true,
    ...options,
  });
  await t.settle();
  return { t, asked, handle, runs: t.gp.runs, run: () => t.gp.runs.get(handle.runId) };
}

describeOnEachBackend("a plan that needs approval", (backend) => {
  test("runs nothing, and can be read, until it is approved", async () => {
    const { t, asked, handle, runs, run } = await ask(backend);
    expect(asked.called).toEqual([]);
    const waiting = await run();
    expect(waiting).toMatchObject({
      status: "running",
      graph: null,
      tasks: [],
      planApproval: {
        status: "waiting",
        by: null,
        since: new Date(t.clock.now()),
        proposed: { tasks: plan, taskCount: 2, origin: { by: "me", promptSha256: "abc" } },
      },
    });
    await runs.approve(handle.runId, "plan", { by: "Ann", note: "good" });
    await t.settle();
    await handle.result();
    expect(asked).toEqual({ planned: 1, called: ["look", { to: "Ann" }] });
    expect(await run()).toMatchObject({
      graph: { tasks: plan, origin: { by: "me", promptSha256: "abc" } },
      planApproval: { status: "approved", by: "Ann", note: "good", reason: null },
    });
  });

  test("that is rejected fails the run with REJECTED, and nothing has run", async () => {
    const { t, asked, handle, runs, run } = await ask(backend);
    await runs.reject(handle.runId, "plan", { by: "Bob", reason: "too bold" });
    await t.settle();
    const error = await rejection(handle.result());
    expect(error).toMatchObject({
      failedTask: null,
      cause: { code: "REJECTED", message: 'task "plan" was rejected by Bob: too bold' },
    });
    expect(asked.called).toEqual([]);
    expect((await run()).planApproval).toMatchObject({ status: "rejected", by: "Bob", reason: "too bold" });
  });

  test("is replaced by the one that is given with the approval", async () => {
    const { t, asked, handle, runs, run } = await ask(backend);
    const changed = [{ id: "only", description: "tell", step: "tell", args: { to: "Cid" } }];
    await runs.approve(handle.runId, "plan", { by: "Ann", args: { tasks: changed } });
    await t.settle();
    await handle.result();
    expect(asked.called).toEqual([{ to: "Cid" }]);
    expect((await run()).graph).toMatchObject({ tasks: changed });
    expect((await run()).planApproval).toMatchObject({ proposed: { tasks: plan } });
  });

  test("cannot be replaced by what is no plan, or too large a one: it still waits", async () => {
    const { handle, runs, run } = await ask(backend, { maxTasks: 2 });
    const cycle = [{ id: "a", description: "a", dependsOn: ["a"] }];
    const large = ["a", "b", "c"].map((id) => ({ id, description: id }));
    for (const [args, issues] of [
      [cycle, [{ code: "SELF_DEPENDENCY" }]],
      [large, [{ code: "TOO_LARGE" }]],
      [[], [{ code: "EMPTY_GRAPH" }]],
    ] as const) {
      const error = await rejection(runs.approve(handle.runId, "plan", { by: "Ann", args }));
      expect(error).toMatchObject({ code: "INVALID_GRAPH" });
      expect((error as unknown as { issues: unknown[] }).issues).toEqual(
        expect.arrayContaining(issues.map((issue) => expect.objectContaining(issue))),
      );
    }
    expect(await rejection(runs.approve(handle.runId, "plan", { by: "Ann", args: "yes" }))).toMatchObject({
      code: "INVALID_INPUT",
    });
    expect((await run()).planApproval).toMatchObject({ status: "waiting" });
  });

  test("replaced by one that its steps do not fit fails the run with INVALID_GRAPH", async () => {
    const { t, handle, runs } = await ask(backend);
    await runs.approve(handle.runId, "plan", { by: "Ann", args: [{ id: "dance", description: "" }] });
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      cause: { code: "INVALID_GRAPH", issues: [{ code: "UNKNOWN_STEP" }] },
    });
  });

  test("is decided once", async () => {
    const { handle, runs } = await ask(backend);
    await runs.approve(handle.runId, "plan", { by: "Ann" });
    const error = await rejection(runs.reject(handle.runId, "plan", { by: "Bob", reason: "no" }));
    expect(error).toMatchObject({ code: "INVALID_STATE", details: { by: "Ann", state: "approved" } });
  });

  test("may hold a task called plan that needs approval itself", async () => {
    const { t, handle, runs } = await ask(backend, {}, () => [
      { id: "plan", description: "a task", step: "look", approval: true },
    ]);
    await runs.approve(handle.runId, "plan", { by: "Ann" });
    await t.settle();
    await runs.approve(handle.runId, "plan", { by: "Bob" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ plan: 1 });
    expect((await runs.get(handle.runId)).tasks[0]?.approval).toMatchObject({ by: "Bob" });
  });

  test("of rules is asked about as well", async () => {
    const decomposer = rules([rule("look and {rest}", () => [{ id: "look", description: "look" }])]);
    const { t, asked, handle, runs } = await ask(backend, {}, decomposer);
    expect(asked.called).toEqual([]);
    await runs.approve(handle.runId, "plan", { by: "Ann" });
    await t.settle();
    expect((await handle.result()).outputs).toEqual({ look: 1 });
  });

  test("is the same plan when its run is retried, and is asked about again if it was rejected", async () => {
    const { t, asked, handle, runs } = await ask(backend);
    await runs.reject(handle.runId, "plan", { by: "Bob", reason: "not yet" });
    await t.settle();
    await rejection(handle.result());
    const again = await runs.retry(handle.runId);
    await t.settle();
    expect((await runs.get(again)).planApproval).toMatchObject({
      status: "waiting",
      proposed: { tasks: plan },
    });
    await runs.approve(again, "plan", { by: "Ann" });
    await t.settle();
    expect(await runs.wait(again)).toMatchObject({ status: "completed" });
    expect(asked.planned).toBe(1);
  });

  test("is not asked about when it is no plan: the run fails at once", async () => {
    const { handle, run } = await ask(backend, {}, () => []);
    expect(await rejection(handle.result())).toMatchObject({ cause: { code: "INVALID_GRAPH" } });
    expect((await run()).planApproval).toBeNull();
  });

  test.for<[string, object]>([
    ["approvePlan", { approvePlan: "yes" }],
    ["replan", { replan: true }],
    ["replan", { replan: { on: "always", max: 1 } }],
    ["replan.max", { replan: { on: "failure", max: 0 } }],
    ["replan.max", { replan: { on: "failure" } }],
  ])("a wrong %s is refused before anything is stored", async ([name, options]) => {
    const t = await backend.client();
    const error = await rejection(t.gp.startGoal("g", () => plan, {}, options as never));
    expect(error).toMatchObject({ code: "INVALID_INPUT", message: expect.stringContaining(name) });
  });
});
