import { expect, test } from "vitest";
import {
  type FlowFunctions,
  type FlowResult,
  type FlowStepOptions,
  RunFailedError,
  type RunHandle,
  workflow,
} from "../../src/index.ts";
import { adoptRun } from "../../src/store/run-actions.ts";
import { openTestGoalpost, type TestGoalpost } from "../../src/testing/index.ts";
import { defer, rejection } from "../promises.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";

/** Steps in the order in which they are added, with what they come after. */
async function build(t: TestGoalpost, name: string, steps: Record<string, FlowStepOptions>): Promise<void> {
  await t.gp.flows.create(name);
  for (const [step, options] of Object.entries(steps)) {
    await t.gp.flows.addStep(name, step, options);
  }
}

async function finish(t: TestGoalpost, start: Promise<RunHandle<FlowResult>>): Promise<FlowResult> {
  const handle = await start;
  await t.settle();
  return handle.result();
}

/** Gives a run whose instance is gone to the instance of that name. */
async function handOver(backend: Backend, runId: string, instance: string): Promise<boolean> {
  const [row] = await backend.query<{ worker: string; lanes: string[] }>(
    "select worker, lanes from goalpost.instances where name = $1 and status = 'online'",
    [instance],
  );
  return adoptRun(backend.driver, runId, { worker: row?.worker ?? "", lane: row?.lanes[0] ?? "" });
}

describeOnEachBackend("runs of flows", (backend) => {
  test("a chain hands outputs on by name, and the output holds the leaf", async () => {
    const t = await backend.client();
    await build(t, "chain", { a: {}, b: { after: ["a"] }, c: { after: ["b"] } });
    const seen: unknown[] = [];
    const start = t.gp.startDynamic(
      "chain",
      { n: 1 },
      {
        a: ({ run }) => run.n + 1,
        b: ({ a }) => a * 10,
        c: (input) => {
          seen.push(input);
          return input.b + 1;
        },
      },
    );
    const { output } = await finish(t, start);
    expect(output).toEqual({ c: 21 });
    expect(seen).toEqual([{ run: { n: 1 }, b: 20 }]);
  });

  test("a diamond runs its join once, after both arms", async () => {
    const t = await backend.client();
    await build(t, "diamond", {
      top: {},
      left: { after: ["top"] },
      right: { after: ["top"] },
      join: { after: ["right", "left"] },
    });
    const order: string[] = [];
    const note = (_: unknown, ctx: { taskId: string }): number => order.push(ctx.taskId);
    await finish(t, t.gp.startDynamic("diamond", null, { top: note, left: note, right: note, join: note }));
    expect(order.toSorted()).toEqual(["join", "left", "right", "top"]);
    expect([order[0], order[3]]).toEqual(["top", "join"]);
  });

  test("roots that nothing connects are leaves too", async () => {
    const t = await backend.client();
    await build(t, "roots", { alone: {}, first: {}, second: { after: ["first"] } });
    const { output } = await finish(
      t,
      t.gp.startDynamic("roots", null, { alone: () => "a", first: () => 1, second: () => [2] }),
    );
    expect(output).toEqual({ alone: "a", second: [2] });
  });

  test("the run is listed under the flow's name, with its tasks", async () => {
    const t = await backend.client();
    await build(t, "listed", { b: {}, a: { after: ["b"] } });
    const { runId } = await finish(t, t.gp.startDynamic("listed", null, { a: () => 1, b: () => 2 }));
    const run = await t.gp.runs.get(runId);
    expect(run).toMatchObject({ workflow: "listed", source: "dynamic", status: "completed", graph: null });
    expect(run.tasks.map((task) => [task.id, task.dependsOn])).toEqual([
      ["b", []],
      ["a", ["b"]],
    ]);
  });

  test("executeDynamic starts, waits and returns the result by itself; a flow is given by name or as it is", async () => {
    const gp = await backend.liveClient();
    const flow = await gp.flows.create("live");
    await gp.flows.addStep(flow, "double");
    const steps: FlowFunctions = { double: ({ run }) => run * 2 };
    expect(await gp.executeDynamic(flow, 21, steps)).toEqual({
      runId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      output: { double: 42 },
      usage: expect.objectContaining({ calls: 0 }),
    });
    expect((await gp.executeDynamic("live", 1, steps)).output).toEqual({ double: 2 });
  });

  test("a signal that aborts cancels the run", async () => {
    const gp = await backend.liveClient();
    await gp.flows.create("aborted");
    await gp.flows.addStep("aborted", "wait");
    const begun = defer();
    const stop = new AbortController();
    const ended = rejection(
      gp.executeDynamic(
        "aborted",
        null,
        {
          wait: (_, ctx) => {
            begun.resolve();
            return new Promise((_resolve, reject) => {
              ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason));
            });
          },
        },
        { signal: stop.signal },
      ),
    );
    await begun.promise;
    stop.abort();
    const error = await ended;
    expect(error).toBeInstanceOf(RunFailedError);
    expect(error.cause).toMatchObject({ code: "CANCELLED" });
  });

  test("functions that are missing are named all at once, and nothing is stored", async () => {
    const t = await backend.client();
    await build(t, "missing", { a: {}, toString: {}, b: { after: ["a"] }, c: {} });
    const functions = { a: () => 1, c: "no function" } as unknown as FlowFunctions;
    for (const start of [
      () => t.gp.startDynamic("missing", null, functions),
      () => t.gp.executeDynamic("missing", null, functions),
    ]) {
      const error = await rejection(start());
      expect(error).toMatchObject({
        code: "INVALID_INPUT",
        details: { missing: ["toString", "b", "c"] },
      });
      expect(error.message).toContain("toString, b, c");
    }
    expect(await t.gp.runs.list({ workflow: "missing" })).toEqual([]);
    expect(await backend.query("select 1 from goalpost.definitions where name = 'missing'")).toEqual([]);
  });

  test.for<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["an array", [() => 1]],
    ["a function", () => 1],
  ])("functions that are %s are refused", async ([, functions]) => {
    const t = await backend.client();
    await build(t, "no_map", { a: {} });
    const start = t.gp.startDynamic("no_map", null, functions as FlowFunctions);
    expect(await rejection(start)).toMatchObject({ code: "INVALID_INPUT" });
  });

  test("functions without a step are left alone", async () => {
    const t = await backend.client();
    await build(t, "extra", { a: {} });
    const called: string[] = [];
    await finish(
      t,
      t.gp.startDynamic("extra", null, { a: () => called.push("a"), b: () => called.push("b") }),
    );
    expect(called).toEqual(["a"]);
  });

  test("a flow without steps, and an input that JSON cannot hold, are refused", async () => {
    const t = await backend.client();
    await build(t, "no_steps", {});
    await build(t, "bad_input", { a: {} });
    const empty = await rejection(t.gp.startDynamic("no_steps", null, {}));
    expect(empty).toMatchObject({ code: "INVALID_INPUT" });
    expect(empty.message).toContain("addStep");
    const bad = await rejection(t.gp.startDynamic("bad_input", [1n], { a: () => 1 }));
    expect(bad).toMatchObject({ code: "INVALID_INPUT", message: expect.stringContaining("$[0]") });
    expect(await t.gp.runs.list({ workflow: "bad_input" })).toEqual([]);
  });

  test("a step is tried as often as it says, else as often as its flow says", async () => {
    const t = await backend.client();
    await t.gp.flows.create("tries", { maxAttempts: 2, retry: { baseMs: 10, jitter: false } });
    await t.gp.flows.addStep("tries", "flows", {});
    await t.gp.flows.create("own_tries", { maxAttempts: 2, retry: { baseMs: 10, jitter: false } });
    await t.gp.flows.addStep("own_tries", "own", { maxAttempts: 4, retry: { factor: 1 } });
    const tries: Record<string, number> = {};
    const failing = (_: unknown, ctx: { taskId: string; attempt: number }): never => {
      tries[ctx.taskId] = ctx.attempt;
      throw new Error("no");
    };
    for (const flow of ["tries", "own_tries"]) {
      const handle = await t.gp.startDynamic(flow, null, { flows: failing, own: failing });
      for (let look = 0; look < 5; look++) {
        await t.settle();
        t.clock.advance(10);
      }
      expect(await rejection(handle.result())).toBeInstanceOf(RunFailedError);
    }
    expect(tries).toEqual({ flows: 2, own: 4 });
  });

  test("a run's deadline and priority are the flow's unless it says others", async () => {
    const t = await backend.client();
    await t.gp.flows.create("defaults", { deadlineMs: 1000, priority: 7 });
    await t.gp.flows.addStep("defaults", "a");
    const steps = { a: () => 1 };
    const runs = [
      await t.gp.startDynamic("defaults", null, steps),
      await t.gp.startDynamic("defaults", null, steps, { priority: undefined, deadlineMs: undefined }),
      await t.gp.startDynamic("defaults", null, steps, { priority: 0, deadlineMs: 5000 }),
    ];
    const stored = await Promise.all(
      runs.map(({ runId }) =>
        backend.query(
          `select -prio as priority, (extract(epoch from deadline_at - created_at) * 1000)::int as deadline
           from goalpost.runs where id = $1::uuid`,
          [runId],
        ),
      ),
    );
    expect(stored.flat()).toEqual([
      { priority: 7, deadline: 1000 },
      { priority: 7, deadline: 1000 },
      { priority: 0, deadline: 5000 },
    ]);
    const bad = t.gp.startDynamic("defaults", null, steps, { deadlineMs: -1 });
    expect(await rejection(bad)).toMatchObject({ code: "INVALID_INPUT" });
  });

  test("a step that is added while a run goes on is the next run's", async () => {
    const t = await backend.client();
    await build(t, "growing", { a: {}, b: { after: ["a"] } });
    const steps: FlowFunctions = { a: () => 1, b: ({ a }) => a + 1, c: ({ b }) => b + 1 };
    const before = await t.gp.startDynamic("growing", null, steps);
    await t.tick();
    await t.gp.flows.addStep("growing", "c", { after: ["b"] });
    await t.settle();
    expect((await before.result()).output).toEqual({ b: 2 });
    expect((await t.gp.runs.get(before.runId)).tasks.map((task) => task.id)).toEqual(["a", "b"]);
    expect((await finish(t, t.gp.startDynamic("growing", null, steps))).output).toEqual({ c: 3 });
  });

  test("a step that another client has added is in the next run", async () => {
    const one = await backend.client();
    const other = await backend.client();
    await build(one, "shared", { a: {} });
    const steps: FlowFunctions = { a: () => 1, b: () => 2 };
    expect((await finish(one, one.gp.startDynamic("shared", null, steps))).output).toEqual({ a: 1 });
    await other.gp.flows.addStep("shared", "b");
    expect((await finish(one, one.gp.startDynamic("shared", null, steps))).output).toEqual({ a: 1, b: 2 });
  });

  test("runs of one shape share a definition; another shape has its own", async () => {
    const t = await backend.client();
    const other = await backend.client();
    await build(t, "shapes", { a: {} });
    const steps: FlowFunctions = { a: () => 1, b: () => 2 };
    await finish(t, t.gp.startDynamic("shapes", null, steps));
    await finish(t, t.gp.startDynamic("shapes", null, steps));
    await finish(other, other.gp.startDynamic("shapes", null, steps));
    await t.gp.flows.addStep("shapes", "b");
    await finish(t, t.gp.startDynamic("shapes", null, steps));
    await finish(other, other.gp.startDynamic("shapes", null, steps));
    const rows = await backend.query(
      `select d.source, count(*)::int as runs from goalpost.definitions d join goalpost.runs r on r.definition_id = d.id
       where d.name = 'shapes' group by d.id order by d.id`,
    );
    expect(rows).toEqual([
      { source: "dynamic", runs: 3 },
      { source: "dynamic", runs: 2 },
    ]);
  });

  test("a map is stored with what it goes over", async () => {
    const t = await backend.client();
    await t.gp.flows.create("mapped");
    await t.gp.flows.addStep("mapped", "other");
    await t.gp.flows.addStep("mapped", "list");
    await t.gp.flows.addMapStep("mapped", "each", { over: "list", after: ["other"], concurrency: 2 });
    await t.gp.flows.addStep("mapped", "sum", { after: ["each"] });
    const nothing = (): null => null;
    await t.gp.startDynamic("mapped", null, { other: nothing, list: nothing, each: nothing, sum: nothing });
    const steps = await backend.query(
      `select s.name, s.kind, s.dependencies from goalpost.steps s
       join goalpost.definitions d on d.id = s.definition_id where d.name = 'mapped' order by s.position`,
    );
    expect(steps).toEqual([
      { name: "other", kind: "step", dependencies: 0 },
      { name: "list", kind: "step", dependencies: 0 },
      { name: "each", kind: "map", dependencies: 2 },
      { name: "sum", kind: "step", dependencies: 1 },
      { name: "/end", kind: "end", dependencies: 1 },
    ]);
  });

  test("a workflow in code of the same name and shape keeps apart", async () => {
    const t = await backend.client();
    await build(t, "same_name", { a: {} });
    const inCode = workflow("same_name").step("a", () => "code");
    t.gp.register({ workflows: [inCode] });
    const handle = await t.gp.start(inCode, null);
    expect((await finish(t, t.gp.startDynamic("same_name", null, { a: () => "flow" }))).output).toEqual({
      a: "flow",
    });
    expect((await handle.result()).output).toEqual({ a: "code" });
  });

  test("a run that failed is retried with its functions, and keeps what was finished", async () => {
    const t = await backend.client();
    await build(t, "retried", { a: {}, b: { after: ["a"], maxAttempts: 1 } });
    const done: string[] = [];
    let fails = true;
    const handle = await t.gp.startDynamic("retried", null, {
      a: () => done.push("a"),
      b: () => {
        if (fails) {
          throw new Error("not yet");
        }
        return done.push("b");
      },
    });
    await t.settle();
    await rejection(handle.result());
    fails = false;
    const retryId = await t.gp.runs.retry(handle.runId);
    await t.settle();
    expect(await t.gp.runs.get(retryId)).toMatchObject({ status: "completed", output: { b: 2 } });
    expect(done).toEqual(["a", "b"]);
  });
});

describeOnEachBackend("runs whose code has changed", (backend) => {
  async function named(instanceId: string): Promise<TestGoalpost> {
    const t = await backend.client({ instanceId });
    // An instance is known to the database from its first call on.
    await t.tick();
    return t;
  }

  async function waitInVain(t: TestGoalpost): Promise<void> {
    for (let look = 0; look < 5; look++) {
      await t.settle();
      t.clock.advance(30_000);
    }
  }

  test("a flow's run waits, at no cost, for a client that has the step's function", async () => {
    const first = await openTestGoalpost({ database: backend.database });
    await build(first, "handed_over", { a: {}, b: { after: ["a"] } });
    const handle = await first.gp.startDynamic("handed_over", 5, { a: ({ run }) => run, b: () => "never" });
    await first.tick();
    await first.gp.flows.addStep("handed_over", "c");
    await first.close();

    const lacking = await named("flow lacking");
    lacking.gp.register({ steps: { a: () => "never", c: () => "never" } });
    expect(await handOver(backend, handle.runId, "flow lacking")).toBe(true);
    await waitInVain(lacking);
    expect((await lacking.gp.runs.get(handle.runId)).status).toBe("running");

    lacking.gp.register({ steps: { b: ({ a, run }) => [a, run as unknown] } });
    await lacking.settle();
    const run = await lacking.gp.runs.get(handle.runId);
    expect(run).toMatchObject({ status: "completed", output: { b: [5, 5] } });
    expect(run.tasks.map((task) => [task.id, task.attempts])).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
  });

  test("a run of a workflow in code waits for a client whose workflow still has the step", async () => {
    const v1 = workflow<number>("changed")
      .step("a", ({ run }) => run)
      .step("b", { after: ["a"] }, ({ a }) => a + 1);
    const v2 = workflow<number>("changed")
      .step("a", ({ run }) => run * 100)
      .step("c", { after: ["a"] }, ({ a }) => a);
    const first = await openTestGoalpost({ database: backend.database });
    const handle = await first.gp.start(v1, 5);
    await first.tick();
    await first.close();

    const second = await openTestGoalpost({ database: backend.database, instanceId: "v2" });
    second.gp.register({ workflows: [v2] });
    const own = await second.gp.start(v2, 1);
    await second.settle();
    expect((await own.result()).output).toEqual({ c: 100 });
    expect(await handOver(backend, handle.runId, "v2")).toBe(true);
    await waitInVain(second);
    expect((await second.gp.runs.get(handle.runId)).status).toBe("running");
    await second.close();

    const third = await named("v1 again");
    third.gp.register({ workflows: [v1] });
    expect(await handOver(backend, handle.runId, "v1 again")).toBe(true);
    third.clock.advance(300_000);
    await third.settle();
    const run = await third.gp.runs.get(handle.runId);
    expect(run).toMatchObject({ status: "completed", output: { b: 6 } });
    expect(run.tasks.map((task) => task.attempts)).toEqual([1, 1]);
  });
});
