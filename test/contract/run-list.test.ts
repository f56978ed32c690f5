import { expect, test } from "vitest";
import { NonRetryableError, type RunFilter, type RunOrder, workflow } from "../../src/index.ts";
import { LIST_RUNS } from "../../src/store/run-list.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const UNKNOWN = "00000000-0000-7000-8000-000000000000";

describeOnEachBackend("listing runs", (backend) => {
  test("labels are matched by key and value, by several at once, by key, and as a text", async () => {
    const t = await backend.client();
    const w = workflow<number>("labels").step("a", ({ run }) => run);
    const ids: string[] = [];
    for (const labels of [
      { customer: "acme", plan: "pro" },
      { customer: "acme" },
      { customer: "b=c" },
      undefined,
    ]) {
      ids.push((await t.gp.start(w, 0, { labels })).runId);
      t.clock.advance(1);
    }
    const list = async (label: RunFilter["label"]): Promise<number[]> =>
      (await t.gp.runs.list({ workflow: "labels", label })).map((run) => ids.indexOf(run.id)).sort();
    expect(await list({ customer: "acme" })).toEqual([0, 1]);
    expect(await list({ customer: "acme", plan: "pro" })).toEqual([0]);
    expect(await list({ customer: "nobody" })).toEqual([]);
    expect(await list("customer")).toEqual([0, 1, 2]);
    expect(await list("customer=acme")).toEqual([0, 1]);
    expect(await list("customer=b=c")).toEqual([2]);
    expect(await list({})).toEqual([0, 1, 2]);
  });

  test("several states are one list, and errors are found by their code", async () => {
    const t = await backend.client();
    const w = workflow<boolean>("states").step("a", ({ run }) => {
      if (run) {
        throw new NonRetryableError('"code":"POISON" \u0000');
      }
    });
    const failed = await t.gp.start(w, true);
    const completed = await t.gp.start(w, false);
    await t.settle();
    const cancelled = await t.gp.start(w, false);
    await cancelled.cancel();
    const list = async (filter: RunFilter): Promise<string[]> =>
      (await t.gp.runs.list({ workflow: "states", ...filter })).map((run) => run.id).sort();
    expect(await list({ status: ["failed", "completed"] })).toEqual([failed.runId, completed.runId].sort());
    expect(await list({ status: [] })).toEqual([]);
    expect(await list({ errorCode: "STEP_FAILED" })).toEqual([failed.runId]);
    expect(await list({ errorCode: "CANCELLED" })).toEqual([cancelled.runId]);
    expect(await list({ errorCode: "POISON" })).toEqual([]);
  });

  test("by the time of the start and of the end, both ways; by the end without those under way", async () => {
    const t = await backend.client();
    const w = workflow<number>("orders").step("a", ({ run }) => run);
    const ids: string[] = [];
    for (const input of [0, 1, 2, 3]) {
      ids.push((await t.gp.start(w, input)).runId);
      t.clock.advance(1000);
    }
    for (const index of [2, 0, 1]) {
      await t.gp.runs.cancel(ids[index] ?? "");
      t.clock.advance(1000);
    }
    const list = async (orderBy: RunOrder): Promise<number[]> =>
      (await t.gp.runs.list({ workflow: "orders", orderBy })).map((run) => ids.indexOf(run.id));
    expect(await list("createdAt asc")).toEqual([0, 1, 2, 3]);
    expect(await list("createdAt desc")).toEqual([3, 2, 1, 0]);
    expect(await list("finishedAt asc")).toEqual([2, 0, 1]);
    expect(await list("finishedAt desc")).toEqual([1, 0, 2]);
  });

  test.each(["createdAt desc", "createdAt asc", "finishedAt desc", "finishedAt asc"] as const)(
    "pages after a run hold each run once, in the order %s, though times are equal and others start",
    async (orderBy) => {
      const t = await backend.client();
      const name = `pages_${orderBy.replace(" ", "_")}`;
      const w = workflow<number>(name).step("a", ({ run }) => run);
      const ids = new Set<string>();
      for (let input = 0; input < 7; input++) {
        ids.add((await t.gp.start(w, input)).runId);
      }
      await t.settle();
      const seen: string[] = [];
      let after: string | undefined;
      for (;;) {
        const page = await t.gp.runs.list({ workflow: name, orderBy, limit: 2, after });
        if (page.length === 0) {
          break;
        }
        seen.push(...page.map((run) => run.id).filter((id) => ids.has(id)));
        after = page.at(-1)?.id;
        if (orderBy.endsWith("desc")) {
          t.clock.advance(10);
          await t.gp.start(w, 99);
          await t.settle();
        }
      }
      expect(seen).toHaveLength(7);
      expect(new Set(seen)).toEqual(ids);
    },
  );

  test("after a run that is unknown, or has no place in the order, is refused", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      workflow("no_place").step("a", () => 1),
      null,
    );
    const { runs } = t.gp;
    for (const after of [UNKNOWN, "no-uuid"]) {
      expect(await rejection(runs.list({ after }))).toMatchObject({ code: "RUN_NOT_FOUND" });
    }
    const error = await rejection(runs.list({ after: handle.runId, orderBy: "finishedAt asc" }));
    expect(error).toMatchObject({ code: "INVALID_INPUT", message: expect.stringContaining("has not ended") });
  });

  test.each([
    { limit: Number.NaN },
    { limit: -1 },
    { offset: Number.NaN },
    { offset: 2 ** 31 },
    { status: ["failed", "done"] as never },
    { orderBy: "name" as never },
    { label: "" },
    { label: { a: 1 } as never },
    { label: "\u0000" },
    { errorCode: '"' as never },
    { workflow: "\ud800" },
  ])("filters that cannot be are refused with INVALID_INPUT: %j", async (filter) => {
    const t = await backend.client();
    expect(await rejection(t.gp.runs.list(filter))).toMatchObject({ code: "INVALID_INPUT" });
  });

  test("among many runs the newest, those of a workflow and those with a label are found by an index", async () => {
    await backend.query(
      `insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, root_run_id,
        input, labels, created_at)
       select i.id, 1, 'few_' || n % 1000, 'static', 'running', 'local', '', 0, 0, i.id, '1',
        jsonb_build_object('customer', 'c' || n % 1000), timestamptz '2020-01-01' + n * interval '1 s'
       from generate_series(1, 20000) n cross join lateral (select gen_random_uuid() as id where n > 0) i`,
    );
    await backend.query("analyze goalpost.runs");
    for (const [index, ...filter] of [
      ["runs_by_age", null, null],
      ["runs_by_workflow", "few_7", null],
      ["runs_by_label", null, '{"customer":"c7"}'],
    ]) {
      const values = [null, ...filter, null, null, null, null, 50, 0];
      const plan = await backend.query(`explain ${LIST_RUNS["createdAt desc"]}`, values);
      expect(plan.map((row) => row["QUERY PLAN"]).join("\n")).toContain(index);
    }
    await backend.query("delete from goalpost.runs where definition_id = 1 and lane = ''");
  });

  test("job_results has a row for each finished run", async () => {
    const t = await backend.client({ instanceId: "the reporter" });
    const w = workflow<boolean>("reported").step("a", ({ run }) => {
      if (run) {
        throw new NonRetryableError("no \u0000");
      }
    });
    await t.gp.start(w, false, { labels: { customer: "acme" }, idempotencyKey: "k" });
    t.clock.advance(1500);
    await t.settle();
    await t.gp.start(w, true);
    await t.settle();
    await t.gp.start(w, false);
    const rows = await backend.query(
      `select workflow, instance_id, status, error_code, cost_cents::int, duration_ms::int, labels, idempotency_key,
        completed_at - inserted_at = make_interval(secs => duration_ms / 1000.0) as adds_up
       from goalpost.job_results where workflow = 'reported' order by inserted_at`,
    );
    const common = { workflow: "reported", instance_id: "the reporter", cost_cents: 0, adds_up: true };
    expect(rows).toEqual([
      {
        ...common,
        status: "completed",
        error_code: null,
        duration_ms: 1500,
        labels: { customer: "acme" },
        idempotency_key: "k",
      },
      {
        ...common,
        status: "failed",
        error_code: "STEP_FAILED",
        duration_ms: 0,
        labels: null,
        idempotency_key: null,
      },
    ]);
  });

  test("job_results names the instance that started a run, whoever ended it", async () => {
    const left = await backend.client({ instanceId: "starter" });
    const w = workflow("handed_on").step("a", () => 1);
    await left.gp.start(w, null, { idempotencyKey: "k" });
    await left.close();
    const t = await backend.client({ instanceId: "finisher" });
    const handle = await t.gp.start(w, null, { idempotencyKey: "k" });
    await t.settle();
    await handle.result();
    const rows = await backend.query(
      "select instance_id from goalpost.job_results where workflow = 'handed_on'",
    );
    expect(rows).toEqual([{ instance_id: "starter" }]);
  });
});
