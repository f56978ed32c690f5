import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { defer, rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const DAY_MS = 86_400_000;

describeOnEachBackend("pruning", (backend) => {
  const one = workflow<null>("one").step("a", () => 1);
  const TABLES = [
    "tasks",
    "attempts",
    "checkpoints",
    "ready",
    "events",
    "event_counters",
    "decisions",
  ] as const;

  /** Rows that are kept of a run, by table; those without any are left out. */
  async function rowsOf(runId: string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const table of TABLES) {
      const rows = await backend.query(`select 1 from goalpost.${table} where run_id = $1::uuid`, [runId]);
      counts[table] = rows.length;
    }
    counts.runs = (await backend.query("select 1 from goalpost.runs where id = $1::uuid", [runId])).length;
    return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  }

  const adopt = (parent: string, child: string) =>
    backend.query(
      "update goalpost.runs set parent_run_id = $1::uuid, parent_position = 0, root_run_id = $1::uuid where id = $2::uuid",
      [parent, child],
    );

  test("removes everything of runs that ended before then, whatever state their tasks are in", async () => {
    const t = await backend.client();
    const w = workflow<null>("rich")
      .step("done", (_, ctx) => ctx.once("k", () => 1))
      .step("fails", { after: ["done"], maxAttempts: 1 }, async (_, ctx) => {
        await ctx.once("k", () => 1);
        throw new Error("no");
      })
      .step("never", { after: ["fails"] }, () => 1);
    const failed = await t.gp.start(w, null, { deadlineMs: 300 * DAY_MS, events: true });
    const optimize = "advanced";
    const goal = await t.gp.startGoal(
      "old",
      () => [{ id: "a", description: "" }],
      { a: () => 1 },
      { optimize },
    );
    await t.settle();
    const cancelled = await t.gp.start(w, null, { maxParallel: 1 });
    await cancelled.cancel();
    expect(Object.keys(await rowsOf(failed.runId))).toEqual([
      "tasks",
      "attempts",
      "checkpoints",
      "ready",
      "events",
      "event_counters",
      "runs",
    ]);
    expect(await rowsOf(goal.runId)).toMatchObject({ decisions: expect.any(Number) });
    t.clock.advance(30 * DAY_MS + 1);
    const young = await t.gp.start(one, null);
    await t.settle();
    expect(await t.gp.runs.prune({ olderThanMs: 30 * DAY_MS })).toMatchObject({ runs: 3, tasks: 11 });
    for (const { runId } of [failed, goal, cancelled]) {
      expect(await rowsOf(runId)).toEqual({});
      expect(await rejection(t.gp.runs.get(runId))).toMatchObject({ code: "RUN_NOT_FOUND" });
    }
    expect((await t.gp.runs.get(young.runId)).status).toBe("completed");
    for (const [table, key] of [
      ["definitions", "id"],
      ["steps", "definition_id"],
      ["edges", "definition_id"],
    ]) {
      const left = await backend.query(
        `select 1 from goalpost.${table} where ${key} not in (select id from goalpost.definitions where run_id is null)`,
      );
      expect(left).toEqual([]);
    }
  });

  test("a run that ended exactly then stays, one a millisecond older goes", async () => {
    const t = await backend.client();
    const older = await t.gp.start(one, null);
    await t.settle();
    t.clock.advance(1);
    const exact = await t.gp.start(one, null);
    await t.settle();
    t.clock.advance(1000);
    expect((await t.gp.runs.prune({ olderThanMs: 1000 })).runs).toBe(1);
    expect(await rowsOf(older.runId)).toEqual({});
    expect(await rowsOf(exact.runId)).toEqual({ tasks: 2, runs: 1 });
  });

  test("a run that goes on or is paused stays with all it has, however old it is", async () => {
    const t = await backend.client();
    const w = workflow<null>("long").step("a", () => 1);
    const running = await t.gp.start(w, null, { execution: "distributed" });
    const paused = await t.gp.start(w, null);
    await t.gp.runs.pause(paused.runId);
    t.clock.advance(1000 * DAY_MS);
    const before = [await rowsOf(running.runId), await rowsOf(paused.runId)];
    await t.gp.runs.prune({ olderThanMs: 0 });
    expect([await rowsOf(running.runId), await rowsOf(paused.runId)]).toEqual(before);
    await t.gp.runs.resume(paused.runId);
    await t.settle();
    expect((await t.gp.runs.get(paused.runId)).status).toBe("completed");
  });

  test("a tree goes as a whole, when the last of it is old enough, and a child never alone", async () => {
    const t = await backend.client();
    const [root, child, grandchild] = [
      await t.gp.start(one, null),
      await t.gp.start(one, null),
      await t.gp.start(one, null, { delayMs: 10 * DAY_MS }),
    ];
    await adopt(root.runId, child.runId);
    await adopt(child.runId, grandchild.runId);
    await t.settle();
    t.clock.advance(5 * DAY_MS);
    const still = async (): Promise<number[]> =>
      Promise.all([root, child, grandchild].map(async ({ runId }) => (await rowsOf(runId)).runs ?? 0));
    await t.gp.runs.prune({ olderThanMs: DAY_MS });
    expect(await still()).toEqual([1, 1, 1]);
    t.clock.advance(5 * DAY_MS);
    await t.settle();
    await t.gp.runs.prune({ olderThanMs: DAY_MS });
    expect(await still()).toEqual([1, 1, 1]);
    t.clock.advance(DAY_MS + 1);
    expect((await t.gp.runs.prune({ olderThanMs: DAY_MS, batch: 1 })).runs).toBe(3);
    expect(await still()).toEqual([0, 0, 0]);
  });

  test("a dry run counts the same and removes nothing; small batches come to the end as well", async () => {
    const t = await backend.client();
    const w = workflow<null>("batched").step("a", () => 1);
    for (let index = 0; index < 25; index++) {
      await t.gp.start(w, null);
    }
    await t.settle();
    t.clock.advance(DAY_MS);
    const left = async (): Promise<number> => (await t.gp.runs.list({ workflow: "batched" })).length;
    const dry = await t.gp.runs.prune({ olderThanMs: 1000, dryRun: true, batch: 7 });
    expect(dry.runs).toBeGreaterThanOrEqual(25);
    expect(await left()).toBe(25);
    const { runs, tasks } = await t.gp.runs.prune({ olderThanMs: 1000, batch: 7 });
    expect({ runs, tasks, instances: 0 }).toEqual(dry);
    expect(await left()).toBe(0);
    expect(await t.gp.runs.prune({ olderThanMs: 1000 })).toMatchObject({ runs: 0, tasks: 0 });
  });

  test("the key of a pruned run is free again", async () => {
    const t = await backend.client();
    const first = await t.gp.start(one, null, { idempotencyKey: "k" });
    await t.settle();
    t.clock.advance(1000);
    await t.gp.runs.prune({ olderThanMs: 1 });
    const second = await t.gp.start(one, null, { idempotencyKey: "k" });
    expect(second.attached).toBe(false);
    expect(second.runId).not.toBe(first.runId);
  });

  test("instances that ended before then are forgotten, those that are alive are not", async () => {
    const gone = await backend.client({ instanceId: "gone" });
    await gone.tick();
    await gone.close();
    const t = await backend.client({ instanceId: "alive" });
    await t.tick();
    t.clock.advance(DAY_MS);
    const { instances } = await t.gp.runs.prune({ olderThanMs: 1000 });
    expect(instances).toBeGreaterThan(0);
    const rows = await backend.query("select name from goalpost.instances where name in ('gone', 'alive')");
    expect(rows).toEqual([{ name: "alive" }]);
  });

  test("a late report on a task of a pruned run is refused and harms nobody", async () => {
    const t = await backend.client();
    const begun = defer();
    const release = defer();
    const w = workflow<null>("late").step("deaf", async () => {
      begun.resolve();
      await release.promise;
    });
    const handle = await t.gp.start(w, null);
    const settling = t.settle();
    await begun.promise;
    await backend.query(
      `select goalpost.stop_run($1::uuid, 'cancelled', '{"code":"CANCELLED","message":"elsewhere"}')`,
      [handle.runId],
    );
    t.clock.advance(1000 * DAY_MS);
    await backend.query("update goalpost.runs set finished_at = created_at where id = $1::uuid", [
      handle.runId,
    ]);
    await t.gp.runs.prune({ olderThanMs: 1000 });
    expect(await rowsOf(handle.runId)).toEqual({});
    release.resolve();
    await settling;
    const next = await t.gp.start(one, null);
    await t.settle();
    expect((await t.gp.runs.get(next.runId)).status).toBe("completed");
    expect(await rowsOf(handle.runId)).toEqual({});
  });

  test.each([
    { olderThanMs: -1 },
    { olderThanMs: Number.NaN },
    { olderThanMs: "30d" as never },
    { olderThanMs: Number.POSITIVE_INFINITY },
    {} as never,
    { olderThanMs: 0, batch: 0 },
    { olderThanMs: 0, batch: 1.5 },
    { olderThanMs: 0, batch: 1e9 },
  ])("options that cannot be are refused with INVALID_INPUT, and nothing is removed: %j", async (options) => {
    const t = await backend.client();
    const { runId } = await t.gp.start(one, null);
    await t.settle();
    t.clock.advance(1000);
    expect(await rejection(t.gp.runs.prune(options))).toMatchObject({ code: "INVALID_INPUT" });
    expect((await t.gp.runs.get(runId)).status).toBe("completed");
  });

  test("any age there can be is taken", async () => {
    const t = await backend.client();
    await t.gp.start(one, null);
    await t.settle();
    expect((await t.gp.runs.prune({ olderThanMs: Number.MAX_VALUE })).runs).toBe(0);
  });
});
