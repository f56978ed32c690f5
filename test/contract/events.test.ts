import { expect, test } from "vitest";
import { type RunEvent, workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const all: RunEvent[] = [];
  for await (const event of events) {
    all.push(event);
  }
  return all;
}

const brief = (events: readonly RunEvent[]): string[] =>
  events.map(({ type, taskId, attempt }) =>
    [type, ...(taskId === null ? [] : [taskId]), ...(attempt === null ? [] : [attempt])].join(" "),
  );

describeOnEachBackend("run events", (backend) => {
  const events = { events: true };

  test("each transition of a run and its tasks is told once, in order", async () => {
    const t = await backend.client();
    const w = workflow<number>("told")
      .step("a", ({ run }) => run + 1)
      .step("b", { after: ["a"] }, ({ a }) => a * 2);
    const handle = await t.gp.start(w, 1, events);
    await t.settle();
    const told = await collect(handle.events());
    expect(brief(told)).toEqual([
      "workflow_started",
      "task_started a 1",
      "task_completed a 1",
      "task_started b 1",
      "task_completed b 1",
      "workflow_completed",
    ]);
    expect(told.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(told[0]).toMatchObject({
      runId: handle.runId,
      workflow: "told",
      step: null,
      at: t.clock.databaseNow(),
    });
    expect(told[2]).toMatchObject({ step: "a", output: 2, error: null });
    expect(told.at(-1)?.output).toEqual({ b: 4 });
  });

  test("a retry tells the error and when the next try is", async () => {
    const t = await backend.client();
    const w = workflow("retries").step(
      "a",
      { maxAttempts: 2, retry: { baseMs: 700, jitter: false } },
      (_, ctx) => {
        if (ctx.attempt === 1) {
          throw new Error("flaky");
        }
        return 1;
      },
    );
    const handle = await t.gp.start(w, null, events);
    await t.settle();
    t.clock.advance(700);
    await t.settle();
    const told = await collect(handle.events());
    expect(brief(told)).toEqual([
      "workflow_started",
      "task_started a 1",
      "task_retry a 1",
      "task_started a 2",
      "task_completed a 2",
      "workflow_completed",
    ]);
    expect(told[2]).toMatchObject({ delayMs: 700, error: { code: "STEP_FAILED", message: "flaky" } });
  });

  test("a failed run tells which task failed, and then that it failed", async () => {
    const t = await backend.client();
    const w = workflow("fails").step("a", { maxAttempts: 1 }, () => {
      throw new Error("no");
    });
    const handle = await t.gp.start(w, null, events);
    await t.settle();
    const told = await collect(t.gp.runs.events(handle.runId));
    expect(brief(told)).toEqual([
      "workflow_started",
      "task_started a 1",
      "task_failed a 1",
      "workflow_failed",
    ]);
    expect(told.map((event) => event.error?.message ?? null)).toEqual([null, null, "no", "no"]);
  });

  test("skips are told in the order of the dependencies, before what follows them", async () => {
    const t = await backend.client();
    const w = workflow("skips")
      .step("a", { when: () => false }, () => 1)
      .step("b", { after: ["a"] }, () => 1)
      .step("c", { optional: ["b"] }, () => 1);
    const handle = await t.gp.start(w, null, events);
    await t.settle();
    expect(brief(await collect(handle.events()))).toEqual([
      "workflow_started",
      "task_skipped a",
      "task_skipped b",
      "task_started c 1",
      "task_completed c 1",
      "workflow_completed",
    ]);
  });

  test("a map is told as one task, its items only when they fail", async () => {
    const t = await backend.client();
    const w = workflow<number[]>("maps")
      .map("each", { maxAttempts: 2, retry: { baseMs: 0 } }, (n, ctx) => {
        if (n === 2 && ctx.attempt === 1) {
          throw new Error("again");
        }
        return n;
      })
      .step("after", { after: ["each"] }, () => 1);
    const handle = await t.gp.start(w, [1, 2, 3], events);
    await t.settle();
    const told = await collect(handle.events());
    expect(brief(told)).toEqual([
      "workflow_started",
      "task_started each 1",
      "task_retry each 1",
      "task_completed each 1",
      "task_started after 1",
      "task_completed after 1",
      "workflow_completed",
    ]);
    expect(told[2]).toMatchObject({ index: 1 });
    expect(told[3]?.output).toEqual([1, 2, 3]);
  });

  test("an empty map completes without having started", async () => {
    const t = await backend.client();
    const w = workflow<number[]>("empty").map("each", (n) => n);
    const handle = await t.gp.start(w, [], events);
    expect(brief(await collect(handle.events()))).toEqual([
      "workflow_started",
      "task_completed each 1",
      "workflow_completed",
    ]);
  });

  test("pause, resume and cancel are told", async () => {
    const t = await backend.client();
    const w = workflow("stopped").step("a", () => 1);
    const { runId } = await t.gp.start(w, null, events);
    await t.gp.runs.pause(runId);
    await t.gp.runs.resume(runId);
    await t.gp.runs.cancel(runId, { reason: "enough" });
    const told = await collect(t.gp.runs.events(runId));
    expect(brief(told)).toEqual([
      "workflow_started",
      "workflow_paused",
      "workflow_resumed",
      "workflow_cancelled",
    ]);
    expect(told.at(-1)?.error).toMatchObject({ code: "CANCELLED", message: "enough" });
  });

  test("goals keep events unless told otherwise; other workflows do not", async () => {
    const t = await backend.client();
    const goal = await t.gp.startGoal(
      "g",
      () => [{ id: "whole", description: "w", subtasks: [{ id: "a", description: "a" }] }],
      {
        a: () => 1,
      },
    );
    const silent = await t.gp.startGoal(
      "silent",
      () => [{ id: "a", description: "a" }],
      { a: () => 1 },
      { events: false },
    );
    const other = await t.gp.start(
      workflow("other").step("a", () => 1),
      null,
    );
    await t.settle();
    expect(brief(await collect(goal.events()))).toEqual([
      "workflow_started",
      "plan_created",
      "task_started a 1",
      "task_completed a 1",
      "task_completed whole",
      "workflow_completed",
    ]);
    for (const { runId } of [silent, other]) {
      expect(await rejection(collect(t.gp.runs.events(runId)))).toMatchObject({ code: "INVALID_STATE" });
    }
  });

  test("the events after a cursor are told, and those to come", async () => {
    const t = await backend.client();
    const gp = await backend.liveClient({ workers: false });
    const w = workflow("resumable").step("a", () => 1);
    const { runId } = await t.gp.start(w, null, events);
    const rest = collect(gp.runs.events(runId, { after: 1 }));
    await t.settle();
    expect((await rest).map((event) => event.seq)).toEqual([2, 3, 4]);
    expect(await collect(gp.runs.events(runId, { after: 4 }))).toEqual([]);
  });

  test("an iteration can be aborted", async () => {
    const t = await backend.client();
    const { runId } = await t.gp.start(
      workflow("endless").step("a", () => 1),
      null,
      events,
    );
    const stop = new AbortController();
    const reading = rejection(collect(t.gp.runs.events(runId, { signal: stop.signal })));
    stop.abort(new Error("enough"));
    expect(await reading).toMatchObject({ message: "enough" });
  });

  test.each([-1, 0.5, Number.NaN])("a cursor of %s is refused", async (after) => {
    const t = await backend.client();
    const { runId } = await t.gp.start(
      workflow("cursor").step("a", () => 1),
      null,
      events,
    );
    expect(await rejection(collect(t.gp.runs.events(runId, { after })))).toMatchObject({
      code: "INVALID_INPUT",
    });
  });

  test("an unknown run has no events", async () => {
    const t = await backend.client();
    expect(await rejection(collect(t.gp.runs.events("nope")))).toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  test("nothing is left in the outbox", async () => {
    expect(await backend.query("select 1 from goalpost.outbox")).toEqual([]);
  });
});
