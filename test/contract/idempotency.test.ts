import { expect, test } from "vitest";
import { type StepMap, type TaskSpec, workflow } from "../../src/index.ts";
import { FakeClock } from "../../src/testing/index.ts";
import { defer, rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("idempotency keys", (backend) => {
  const count = async (name: string): Promise<number> =>
    (await backend.query("select 1 from goalpost.runs where workflow = $1", [name])).length;

  test("starting twice with one key starts one run, and both get its result", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow<{ a: number; b: number }>("once").step("work", () => ++calls);
    const first = await t.gp.start(w, { a: 1, b: 2 }, { idempotencyKey: "k" });
    const second = await t.gp.start(w, { b: 2, a: 1 }, { idempotencyKey: "k" });
    expect(second).toMatchObject({ runId: first.runId, attached: true });
    expect(first.attached).toBe(false);
    await t.settle();
    expect([await first.result(), await second.result()]).toMatchObject([
      { output: { work: 1 } },
      { output: { work: 1 } },
    ]);
    expect(await t.gp.runs.get(first.runId)).toMatchObject({ idempotencyKey: "k" });
    expect(await count("once")).toBe(1);
  });

  test("starts in one turn of the event loop are one run", async () => {
    const gp = await backend.liveClient();
    let calls = 0;
    const w = workflow<number>("together").step("work", () => ++calls);
    const results = await Promise.all(
      Array.from({ length: 8 }, () => gp.execute(w, 1, { idempotencyKey: "k" })),
    );
    expect(new Set(results.map((result) => result.runId)).size).toBe(1);
    expect(results.map((result) => result.output)).toEqual(Array(8).fill({ work: 1 }));
    expect(calls).toBe(1);
  });

  test("a key of a run that has ended gives its result, or its failure, and runs nothing", async () => {
    const gp = await backend.liveClient();
    const w = workflow<boolean>("ended").step("work", { maxAttempts: 1 }, ({ run }) => {
      if (run) {
        throw new Error("no");
      }
      return "done";
    });
    const { runId } = await gp.execute(w, false, { idempotencyKey: "good" });
    expect(await gp.execute(w, false, { idempotencyKey: "good" })).toMatchObject({
      runId,
      output: { work: "done" },
    });
    const failed = await rejection(gp.execute(w, true, { idempotencyKey: "bad" }));
    const again = await rejection(gp.execute(w, true, { idempotencyKey: "bad" }));
    expect(again).toMatchObject({ code: "RUN_FAILED", runId: (failed as never as { runId: string }).runId });
    expect(await count("ended")).toBe(2);
  });

  test("another input is INVALID_STATE and names both", async () => {
    const t = await backend.client();
    const w = workflow<number>("inputs").step("work", ({ run }) => run);
    const { runId } = await t.gp.start(w, 1, { idempotencyKey: "k" });
    const error = await rejection(t.gp.start(w, 2, { idempotencyKey: "k" }));
    expect(error.code).toBe("INVALID_STATE");
    expect(error.message).toMatch(
      new RegExp(
        `key "k" of workflow "inputs" belongs to run ${runId}.*another input \\(hash \\w{12}, .* \\w{12}\\)`,
      ),
    );
    expect(await count("inputs")).toBe(1);
  });

  test("another shape is INVALID_STATE and names both", async () => {
    const t = await backend.client();
    const one = workflow<number>("shapes").step("a", () => 1);
    const other = one.step("b", { after: ["a"] }, () => 2);
    await t.gp.start(one, 1, { idempotencyKey: "k" });
    const error = await rejection(t.gp.start(other, 1, { idempotencyKey: "k" }));
    expect(error).toMatchObject({ code: "INVALID_STATE", message: expect.stringContaining("another shape") });
    expect(error.message).toContain(one.hash.slice(0, 12));
    expect(error.message).toContain(other.hash.slice(0, 12));
  });

  test("keys of different workflows do not meet, and runs without a key neither", async () => {
    const t = await backend.client();
    const one = workflow("apart_1").step("a", () => 1);
    const two = workflow("apart_2").step("a", () => 1);
    const ids = [
      await t.gp.start(one, null, { idempotencyKey: "k" }),
      await t.gp.start(two, null, { idempotencyKey: "k" }),
      await t.gp.start(one, null),
      await t.gp.start(one, null),
    ].map((handle) => handle.runId);
    expect(new Set(ids).size).toBe(4);
  });

  const tasks: TaskSpec[] = [
    { id: "first", description: "" },
    { id: "second", description: "", dependsOn: ["first"] },
  ];

  test("goals attach as well; another goal or another graph is INVALID_STATE", async () => {
    const t = await backend.client();
    const steps: StepMap = { first: () => 1, second: () => 2 };
    const goal = { text: "keyed", context: { a: 1, b: 2 } };
    const options = { idempotencyKey: `goal ${backend.name}` };
    const first = await t.gp.startGoal(goal, () => tasks, steps, options);
    const same = { text: "keyed", context: { b: 2, a: 1 } };
    expect(await t.gp.startGoal(same, () => tasks, steps, options)).toMatchObject({
      runId: first.runId,
      attached: true,
      resumed: null,
    });
    expect(await rejection(t.gp.startGoal("other", () => tasks, steps, options))).toMatchObject({
      code: "INVALID_STATE",
    });
    const made = { idempotencyKey: `graph ${backend.name}` };
    const running = t.gp.executeGraph(tasks, steps, { ...made, goal: "made" });
    running.catch(() => undefined);
    await t.settle();
    const { runId } = await running;
    expect(await t.gp.executeGraph(tasks, steps, { ...made, goal: "made" })).toMatchObject({ runId });
    const other = t.gp.executeGraph(tasks.slice(0, 1), { first: () => 1 }, { ...made, goal: "made" });
    expect(await rejection(other)).toMatchObject({
      code: "INVALID_STATE",
      message: expect.stringContaining("a graph of 2 tasks, this call's is a graph of 1 tasks"),
    });
  });

  test("of goals started at once one run is stored, and the others leave no definition behind", async () => {
    const t = await backend.client();
    const steps: StepMap = { first: () => 1, second: () => 2 };
    const before = await backend.query("select id from goalpost.definitions where source = 'planned'");
    const start = () =>
      t.gp.startGoal("at once", () => tasks, steps, { idempotencyKey: `at once ${backend.name}` });
    const handles = await Promise.all(Array.from({ length: 5 }, start));
    expect(new Set(handles.map((handle) => handle.runId)).size).toBe(1);
    expect(handles.filter((handle) => !handle.attached)).toHaveLength(1);
    const after = await backend.query("select id from goalpost.definitions where source = 'planned'");
    expect(after.length - before.length).toBe(1);
    const orphans = await backend.query(
      "select 1 from goalpost.steps s where not exists (select 1 from goalpost.definitions d where d.id = s.definition_id)",
    );
    expect(orphans).toEqual([]);
  });

  test("while the owner is alive it carries the run out, and who attaches waits", async () => {
    const owner = await backend.client();
    const begun = defer();
    const release = defer();
    const make = (name: string) =>
      workflow<null>("alive").step("work", async () => {
        begun.resolve();
        await release.promise;
        return name;
      });
    const handle = await owner.gp.start(make("owner"), null, { idempotencyKey: "k" });
    const settling = owner.settle();
    await begun.promise;
    const other = await backend.liveClient();
    const attached = await other.start(make("other"), null, { idempotencyKey: "k" });
    expect(attached).toMatchObject({ runId: handle.runId, attached: true });
    release.resolve();
    await settling;
    expect((await attached.result()).output).toEqual({ work: "owner" });
  });

  test("when the owner is gone, who attaches takes the run over with its own functions", async () => {
    const owner = await backend.client();
    const make = (name: string) =>
      workflow<null>("lost")
        .step("first", () => name)
        .step("second", { after: ["first"] }, ({ first }) => `${first} ${name}`);
    const handle = await owner.gp.start(make("owner"), null, { idempotencyKey: "k" });
    await owner.tick();
    await owner.close();
    const t = await backend.client();
    const again = await t.gp.start(make("other"), null, { idempotencyKey: "k" });
    await t.settle();
    expect(again.runId).toBe(handle.runId);
    expect((await again.result()).output).toEqual({ second: "owner other" });
  });

  test("when the owner goes while somebody waits, the waiting one takes the run over", async () => {
    const owner = await backend.client();
    const make = (name: string) => workflow<null>("goes").step("work", () => name);
    await owner.gp.start(make("owner"), null, { idempotencyKey: "k" });
    const clock = new FakeClock();
    const other = await backend.client({ clock });
    const attached = await other.gp.start(make("other"), null, { idempotencyKey: "k" });
    await other.settle();
    expect((await other.gp.runs.get(attached.runId)).status).toBe("running");
    await owner.close();
    // What follows the timer goes on after advance() has returned.
    for (let look = 0; look < 50; look++) {
      clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 2));
      await other.settle();
    }
    expect((await attached.result()).output).toEqual({ work: "other" });
  });

  test("a distributed run belongs to nobody and is not taken over", async () => {
    const owner = await backend.client();
    const w = workflow<null>("shared").step("work", () => 1);
    const handle = await owner.gp.start(w, null, { idempotencyKey: "k", execution: "distributed" });
    await owner.close();
    const t = await backend.client();
    await t.gp.start(w, null, { idempotencyKey: "k", execution: "distributed" });
    const [run] = await backend.query("select lane, first_owner from goalpost.runs where id = $1::uuid", [
      handle.runId,
    ]);
    expect(run).toEqual({ lane: "queue:default", first_owner: null });
  });

  test("after a retry the key stands for the run that retries", async () => {
    const t = await backend.client();
    let broken = true;
    const w = workflow<null>("retried").step("work", { maxAttempts: 1 }, () => {
      if (broken) {
        throw new Error("broken");
      }
      return "mended";
    });
    const { runId } = await t.gp.start(w, null, { idempotencyKey: "k" });
    await t.settle();
    broken = false;
    const retryId = await t.gp.runs.retry(runId);
    await t.settle();
    const again = await t.gp.start(w, null, { idempotencyKey: "k" });
    expect(again).toMatchObject({ runId: retryId, attached: true });
    expect((await again.result()).output).toEqual({ work: "mended" });
    expect((await t.gp.runs.get(runId)).idempotencyKey).toBeNull();
  });

  test.each([
    [{ idempotencyKey: "" }],
    [{ idempotencyKey: "x".repeat(513) }],
    [{ idempotencyKey: "\u0000" }],
    [{ idempotencyKey: "\ud800" }],
    [{ idempotencyKey: 7 as never }],
    [{ delayMs: -1 }],
    [{ delayMs: Number.NaN }],
    [{ delayMs: Number.POSITIVE_INFINITY }],
    [{ deadlineMs: Number.NaN }],
    [{ deadlineMs: Number.MAX_VALUE }],
    [{ maxParallel: 0 }],
    [{ maxParallel: 1.5 }],
    [{ maxParallel: 2 ** 31 }],
    [{ execution: "remote" as never }],
    [{ queue: "" }],
    [{ queue: "no spaces" }],
    [{ queue: "q".repeat(129) }],
    [{ queue: "q", execution: "local" as const }],
    [{ labels: { a: "\u0000" } }],
  ])("options that cannot be are refused with INVALID_INPUT, and nothing is stored: %j", async (options) => {
    const t = await backend.client();
    const w = workflow("never_stored").step("a", () => 1);
    expect(await rejection(t.gp.start(w, null, options))).toMatchObject({ code: "INVALID_INPUT" });
    expect(await count("never_stored")).toBe(0);
  });

  test("a delayed run starts no earlier, and a limit and a queue are kept with it", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow("delayed").step("a", () => ++calls);
    const handle = await t.gp.start(w, null, { delayMs: 5000, maxParallel: 2 });
    await t.settle();
    t.clock.advance(4999);
    await t.settle();
    expect(calls).toBe(0);
    t.clock.advance(1);
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: 1 });
    const far = await t.gp.start(w, null, { queue: "gpu" });
    const [run] = await backend.query("select lane, execution from goalpost.runs where id = $1::uuid", [
      far.runId,
    ]);
    expect(run).toEqual({ lane: "queue:gpu", execution: "distributed" });
  });
});
