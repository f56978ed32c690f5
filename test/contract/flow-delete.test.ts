import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { RunFailedError, workflow } from "../../src/index.ts";
import { FAKE_START, type TestGoalpost } from "../../src/testing/index.ts";
import { defer, rejection, untilAborted } from "../promises.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";

async function run(t: TestGoalpost, flow: string): Promise<string> {
  const { runId } = await t.gp.startDynamic(flow, null, {
    a: (_, ctx) => ctx.once("key", () => 1),
    b: () => 2,
  });
  await t.settle();
  return runId;
}

async function build(t: TestGoalpost, name: string): Promise<void> {
  await t.gp.flows.create(name);
  await t.gp.flows.addStep(name, "a");
  await t.gp.flows.addStep(name, "b", { after: ["a"] });
}

/** How many rows there are of a run. */
async function countRows(backend: Backend, runId: string): Promise<number> {
  const [row] = await backend.query<{ count: number }>(
    `select ((select count(*) from goalpost.runs where id = $1::uuid)
      + (select count(*) from goalpost.tasks where run_id = $1::uuid)
      + (select count(*) from goalpost.attempts where run_id = $1::uuid)
      + (select count(*) from goalpost.checkpoints where run_id = $1::uuid))::int as count`,
    [runId],
  );
  return row?.count ?? -1;
}

describeOnEachBackend("deleting a flow", (backend) => {
  test("removes it with its steps, edges and finished runs, and nothing of others", async () => {
    const t = await backend.client();
    await build(t, "gone");
    await build(t, "stays");
    const [one, two, other] = [await run(t, "gone"), await run(t, "gone"), await run(t, "stays")];
    const inCode = await t.gp.start(
      workflow("gone").step("a", () => 1),
      null,
    );
    await t.settle();
    const [before] = await backend.query<{ id: string }>(
      "select id::text from goalpost.flows where name = 'gone'",
    );
    await t.gp.flows.delete("gone");

    expect(await rejection(t.gp.flows.get("gone"))).toMatchObject({ code: "FLOW_NOT_FOUND" });
    const left = await backend.query(
      `select flow_id from goalpost.flow_steps where flow_id = $1::bigint
       union all select flow_id from goalpost.flow_edges where flow_id = $1::bigint`,
      [before?.id],
    );
    expect(left).toEqual([]);
    expect([await countRows(backend, one), await countRows(backend, two)]).toEqual([0, 0]);
    expect((await t.gp.runs.get(other)).status).toBe("completed");
    expect((await t.gp.runs.get(inCode.runId)).status).toBe("completed");
    expect((await t.gp.flows.get("stays")).stepCount).toBe(2);
    expect((await t.gp.flows.list({ limit: 1000 })).map((flow) => flow.name)).not.toContain("gone");
  });

  test("removes more runs than fit into one transaction", async () => {
    const t = await backend.client();
    await build(t, "busy");
    const steps = { a: () => 1, b: () => 2 };
    await Promise.all(Array.from({ length: 250 }, () => t.gp.startDynamic("busy", null, steps)));
    await t.settle();
    await t.gp.flows.delete("busy");
    expect(await backend.query("select 1 from goalpost.runs where workflow = 'busy'")).toEqual([]);
  });

  test("removes the runs that its runs have started", async () => {
    const t = await backend.client();
    await build(t, "parent");
    await build(t, "child");
    const [parent, child] = [await run(t, "parent"), await run(t, "child")];
    await backend.query(
      "update goalpost.runs set parent_run_id = $1::uuid, root_run_id = $1::uuid where id = $2::uuid",
      [parent, child],
    );
    await t.gp.flows.delete("parent");
    expect([await countRows(backend, parent), await countRows(backend, child)]).toEqual([0, 0]);
  });

  test("is refused while a run is not finished", async () => {
    const t = await backend.client();
    await build(t, "running");
    const finished = await run(t, "running");
    const { runId } = await t.gp.startDynamic("running", null, { a: () => 1, b: () => 2 });
    await t.gp.runs.pause(runId);
    const error = await rejection(t.gp.flows.delete("running"));
    expect(error.code).toBe("INVALID_STATE");
    expect(error.message).toContain(runId);
    expect((await t.gp.flows.get("running")).stepCount).toBe(2);
    expect((await t.gp.runs.get(finished)).status).toBe("completed");
  });

  test("cancels unfinished runs when forced to, and aborts what they carry out", async () => {
    const t = await backend.client();
    await build(t, "forced");
    const begun = defer();
    const handle = await t.gp.startDynamic("forced", null, {
      a: (_, ctx) => {
        begun.resolve();
        return untilAborted(ctx.signal);
      },
      b: () => 2,
    });
    const ended = rejection<RunFailedError>(handle.result());
    const settling = t.settle();
    await begun.promise;
    await t.gp.flows.delete("forced", { force: true });
    await settling;
    const error = await ended;
    expect(error).toBeInstanceOf(RunFailedError);
    expect(error.cause).toMatchObject({ code: "CANCELLED", message: 'flow "forced" was deleted' });
    expect(await rejection(t.gp.runs.get(handle.runId))).toMatchObject({ code: "RUN_NOT_FOUND" });
    expect(await countRows(backend, handle.runId)).toBe(0);
  });

  test("tells who waits for a run that is gone before its end was seen", async () => {
    const t = await backend.client();
    await build(t, "unseen");
    const handle = await t.gp.startDynamic("unseen", null, { a: () => 1, b: () => 2 });
    const waiting = rejection(handle.result());
    // In one transaction: nobody can see that it ended before it is gone.
    await backend.query(
      `select goalpost.delete_runs(array[$1::uuid])
       from (select goalpost.cancel_run($1::uuid, '{"code":"CANCELLED","message":"x"}', false)) cancelled`,
      [handle.runId],
    );
    expect(await countRows(backend, handle.runId)).toBe(0);
    t.clock.advance(500);
    expect(await waiting).toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  test("lets a flow of the same name be made afresh, by a client that has run the old one, too", async () => {
    const t = await backend.client();
    await build(t, "afresh");
    await run(t, "afresh");
    await t.gp.flows.delete("afresh");
    await t.gp.flows.create("afresh", { maxAttempts: 9 });
    expect(await t.gp.flows.get("afresh")).toMatchObject({ stepCount: 0, options: { maxAttempts: 9 } });
    await t.gp.flows.addStep("afresh", "x");
    await t.gp.flows.addStep("afresh", "y");
    const { result } = await t.gp.startDynamic("afresh", null, { x: () => "x", y: () => "y" });
    await t.settle();
    expect((await result()).output).toEqual({ x: "x", y: "y" });
  });

  test("keeps compiled definitions for an hour, for runs that are just being started, and then removes them", async () => {
    const t = await backend.client();
    await build(t, "compiled");
    await run(t, "compiled");
    await t.gp.flows.delete("compiled");
    const [compiled] = await backend.query<{ id: string }>(
      "select id::text from goalpost.definitions where name = 'compiled'",
    );
    await deleteLater("59 minutes");
    expect(await count(compiled?.id)).toEqual({ definitions: 1, steps: 3, edges: 2 });
    await backend.query("update goalpost.runs set definition_id = $1::bigint where id = $2::uuid", [
      compiled?.id,
      await run(t, await another()),
    ]);
    await deleteLater("2 hours");
    expect(await count(compiled?.id)).toEqual({ definitions: 1, steps: 3, edges: 2 });
    await backend.query("delete from goalpost.runs where definition_id = $1::bigint", [compiled?.id]);
    await deleteLater("2 hours");
    expect(await count(compiled?.id)).toEqual({ definitions: 0, steps: 0, edges: 0 });

    async function another(): Promise<string> {
      const name = `another_${randomUUID()}`;
      await build(t, name);
      return name;
    }

    /** Deletes another flow at a later time. */
    async function deleteLater(after: string): Promise<void> {
      const name = await another();
      await backend.driver.transaction(async (tx) => {
        await tx.query(
          "select set_config('goalpost.fake_now', ($2::timestamptz + $1::interval)::text, true)",
          [after, FAKE_START],
        );
        await tx.query("select goalpost.delete_flow(id) from goalpost.flows where name = $1", [name]);
      });
    }

    async function count(id: string | undefined): Promise<unknown> {
      const [row] = await backend.query(
        `select (select count(*) from goalpost.definitions where id = $1::bigint)::int as definitions,
          (select count(*) from goalpost.steps where definition_id = $1::bigint)::int as steps,
          (select count(*) from goalpost.edges where definition_id = $1::bigint)::int as edges`,
        [id],
      );
      return row;
    }
  });
});
