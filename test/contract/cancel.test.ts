import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { defer, rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("cancelling with what belongs to a run", (backend) => {
  const one = workflow<null>("one").step("a", () => 1);

  /** Makes the second run one that a task of the first one started. */
  const adopt = (parent: string, child: string) =>
    backend.query(
      `update goalpost.runs set parent_run_id = $1::uuid, parent_position = 0,
        root_run_id = (select root_run_id from goalpost.runs where id = $1::uuid) where id = $2::uuid`,
      [parent, child],
    );

  test("the runs that it started are cancelled as well, at any depth, also below one that has ended", async () => {
    const t = await backend.client();
    const start = async (): Promise<string> => (await t.gp.start(one, null)).runId;
    const ended = await start();
    await t.settle();
    const [root, child, grandchild, cousin, other] = [
      await start(),
      await start(),
      await start(),
      await start(),
      await start(),
    ];
    await adopt(root, child);
    await adopt(child, grandchild);
    await adopt(root, ended);
    await adopt(ended, cousin);
    expect(await t.gp.runs.cancel(root, { reason: "all of it" })).toBe(true);
    for (const id of [root, child, grandchild, cousin]) {
      const { status, error } = await t.gp.runs.get(id);
      expect([status, error?.message]).toEqual(["cancelled", "all of it"]);
    }
    expect((await t.gp.runs.get(ended)).status).toBe("completed");
    expect((await t.gp.runs.get(other)).status).toBe("running");
    expect(await t.gp.runs.get(child)).toMatchObject({ parentRunId: root });
  });

  test("cancelling again cancels what a cancellation that died had not come to, and is false", async () => {
    const t = await backend.client();
    const root = (await t.gp.start(one, null)).runId;
    const child = (await t.gp.start(one, null)).runId;
    await t.gp.runs.cancel(root, { reason: "first" });
    await adopt(root, child);
    expect(await t.gp.runs.cancel(root, { reason: "second" })).toBe(false);
    expect(await t.gp.runs.get(child)).toMatchObject({ status: "cancelled" });
    expect(await t.gp.runs.get(root)).toMatchObject({ error: { message: "first" } });
  });

  test.each([false, true])("a paused run can be cancelled, force: %s", async (force) => {
    const t = await backend.client();
    const { runId } = await t.gp.start(one, null);
    await t.gp.runs.pause(runId);
    expect(await t.gp.runs.cancel(runId, { force })).toBe(true);
    expect(await t.gp.runs.cancel(runId, { force })).toBe(false);
    expect(await rejection(t.gp.runs.resume(runId))).toMatchObject({ code: "INVALID_STATE" });
  });

  test("with force tries under way are put down as lost, and no queue holds anything of the run", async () => {
    const t = await backend.client();
    const begun = defer();
    const release = defer();
    const w = workflow<null>("deaf")
      .step("running", async () => {
        begun.resolve();
        await release.promise;
        return "too late";
      })
      .step("waiting", { maxAttempts: 2 }, () => {
        throw new Error("again");
      });
    const { runId } = await t.gp.start(w, null, { deadlineMs: 60_000, execution: "local" });
    const ticking = t.settle();
    await begun.promise;
    await t.gp.runs.cancel(runId, { force: true, reason: "enough" });
    release.resolve();
    await ticking;
    const run = await t.gp.runs.get(runId);
    expect(run.status).toBe("cancelled");
    expect(run.tasks[0]).toMatchObject({
      status: "cancelled",
      output: null,
      history: [{ outcome: "lost", error: { code: "CANCELLED", message: "enough" } }],
    });
    expect(await backend.query("select 1 from goalpost.ready where run_id = $1::uuid", [runId])).toEqual([]);
  });

  test("force does not touch a run that has ended", async () => {
    const t = await backend.client();
    const { runId } = await t.gp.start(one, null);
    await t.settle();
    expect(await t.gp.runs.cancel(runId, { force: true })).toBe(false);
    expect(await t.gp.runs.get(runId)).toMatchObject({ status: "completed", tasks: [{ history: [] }] });
  });

  test("a reason that is no text is refused, and the run goes on", async () => {
    const t = await backend.client();
    const { runId } = await t.gp.start(one, null);
    expect(await rejection(t.gp.runs.cancel(runId, { reason: 7 as never }))).toMatchObject({
      code: "INVALID_INPUT",
    });
    expect((await t.gp.runs.get(runId)).status).toBe("running");
  });
});

describeOnEachBackend("pausing", (backend) => {
  test("a task that waits to be tried again is not hurried by pause and resume", async () => {
    const t = await backend.client();
    let calls = 0;
    const retry = { baseMs: 10_000, jitter: false };
    const w = workflow<null>("patient").step("flaky", { retry }, () => {
      calls += 1;
      if (calls === 1) {
        throw new Error("not yet");
      }
    });
    const { runId } = await t.gp.start(w, null);
    await t.settle();
    await t.gp.runs.pause(runId);
    await t.gp.runs.resume(runId);
    await t.settle();
    expect(calls).toBe(1);
    t.clock.advance(10_000);
    await t.settle();
    expect(calls).toBe(2);
    expect((await t.gp.runs.get(runId)).status).toBe("completed");
  });

  test("what became due while the run was paused starts when it is resumed", async () => {
    const t = await backend.client();
    let calls = 0;
    const retry = { baseMs: 10_000, jitter: false };
    const w = workflow<null>("due").step("flaky", { retry }, () => {
      calls += 1;
      if (calls === 1) {
        throw new Error("not yet");
      }
    });
    const { runId } = await t.gp.start(w, null);
    await t.settle();
    await t.gp.runs.pause(runId);
    t.clock.advance(20_000);
    await t.settle();
    expect(calls).toBe(1);
    await t.gp.runs.resume(runId);
    await t.settle();
    expect((await t.gp.runs.get(runId)).status).toBe("completed");
  });

  test("a run with a limit goes on as well", async () => {
    const t = await backend.client();
    const w = workflow<null>("limited")
      .step("a", () => 1)
      .step("b", () => 2)
      .step("c", { after: ["a", "b"] }, () => 3);
    const { runId } = await t.gp.start(w, null, { maxParallel: 1 });
    for (let round = 0; round < 3; round++) {
      await t.gp.runs.pause(runId);
      expect(await t.tick()).toBe(0);
      await t.gp.runs.resume(runId);
      expect(await t.tick()).toBe(1);
    }
    expect((await t.gp.runs.get(runId)).status).toBe("completed");
  });
});
