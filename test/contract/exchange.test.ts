import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Row } from "../../src/core/driver.ts";
import { workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";
import { SqlWorker } from "./sql-worker.ts";

const MAX_LOSSES = 5;

describeOnEachBackend("the exchange", (backend) => {
  const makeWorker = (lane?: string): SqlWorker => new SqlWorker(backend.driver, lane);

  /** Everything stored that an exchange could change, for before and after. */
  async function snapshot(runId: string): Promise<Record<string, Row[]>> {
    const rows = (text: string): Promise<Row[]> => backend.query(text, [runId]);
    return {
      runs: await rows("select status, output::text, error::text from goalpost.runs where id = $1::uuid"),
      tasks: await rows(
        `select position, status, deps_left, delivery, failures, losses, worker, output::text, error::text
         from goalpost.tasks where run_id = $1::uuid order by position`,
      ),
      ready: await rows(
        "select lane, position from goalpost.ready where run_id = $1::uuid order by position",
      ),
      attempts: await rows("select position, outcome from goalpost.attempts where run_id = $1::uuid"),
    };
  }

  async function taskAt(runId: string, position: number): Promise<Row> {
    const { tasks } = await snapshot(runId);
    return tasks?.[position] ?? {};
  }

  test("settles first and claims after: a child comes back in the call that completed its parent", async () => {
    const worker = makeWorker();
    await worker.start();
    const a = await worker.claim();
    const { tasks, values } = await worker.complete([a], { n: 1 }, 10);
    expect(tasks.map((task) => task.position)).toEqual([1, 2]);
    // What the worker has just told it is not told again.
    expect([...values.values()]).toEqual([]);
  });

  test("a call repeated with its number hands out the same tasks and changes nothing", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const a = await worker.claim();
    const reports = [{ task: a, outcome: "completed" as const, payload: "first" }];
    const first = await worker.exchange({ room: 10, reports });
    const before = await snapshot(runId);
    const second = await worker.exchange({ room: 10, reports, seq: worker.seq });
    expect(second.tasks).toEqual(first.tasks);
    // What the first call left out because it was told by it is there now, where nobody knows what was told.
    expect([...second.values.values()]).toEqual(["first"]);
    expect([...second.runs.values()]).toMatchObject([{ input: null, workflow: "sql_diamond" }]);
    expect(second.refused.size).toBe(0);
    expect(await snapshot(runId)).toEqual(before);
  });

  test("a repeated call takes nothing more, although there is room and work by now", async () => {
    const worker = makeWorker();
    await worker.start();
    const { tasks } = await worker.exchange({ room: 10 });
    const seq = worker.seq;
    const other = makeWorker(worker.lane);
    const late = await other.start();
    const again = await worker.exchange({ room: 10, seq });
    expect(again.tasks).toEqual(tasks);
    expect(await taskAt(late, 0)).toMatchObject({ status: "ready", delivery: 0 });
  });

  test("a repeated call does not store its runs a second time", async () => {
    const worker = makeWorker();
    const { runId, row } = await worker.prepare();
    const first = await worker.exchange({ starts: [row], room: 1 });
    const before = await snapshot(runId);
    const second = await worker.exchange({ starts: [row], room: 1, seq: worker.seq });
    expect(second.tasks).toEqual(first.tasks);
    await worker.exchange({ starts: [row] });
    expect(await snapshot(runId)).toEqual(before);
  });

  test("hand-outs that are settled are forgotten when the worker says so", async () => {
    const worker = makeWorker();
    await worker.start();
    const a = await worker.claim();
    const seq = worker.seq;
    const count = (): Promise<Row[]> =>
      backend.query("select seq::int from goalpost.handouts where worker = $1::uuid order by seq", [
        worker.id,
      ]);
    expect(await count()).toEqual([{ seq }]);
    await worker.exchange({ reports: [{ task: a, outcome: "completed" }], closed: [seq] });
    expect(await count()).toEqual([]);
  });

  test("a report of an earlier delivery is refused and changes nothing", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const stale = await worker.claim();
    await worker.exchange({ reports: [{ task: stale, outcome: "retry", payload: { code: "STEP_FAILED" } }] });
    const fresh = await worker.claim();
    expect(fresh.delivery).toBe(2);
    const before = await snapshot(runId);
    const reply = await worker.complete([stale], "stale");
    expect([...reply.refused]).toEqual([[0, "running"]]);
    expect(await snapshot(runId)).toEqual(before);
  });

  test("a report of a worker that never had the task is refused and changes nothing", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const a = await worker.claim();
    const before = await snapshot(runId);
    const reply = await makeWorker(worker.lane).complete([a], "stolen");
    expect([...reply.refused.keys()]).toEqual([0]);
    expect(await snapshot(runId)).toEqual(before);
  });

  test("a report repeated by the same worker is acknowledged, and the first output stays", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const a = await worker.claim();
    await worker.complete([a], "first");
    const before = await snapshot(runId);
    const reply = await worker.complete([a], "second");
    expect(reply.refused.size).toBe(0);
    expect(await snapshot(runId)).toEqual(before);
    expect(await taskAt(runId, 0)).toMatchObject({ status: "completed", output: '"first"' });
  });

  test("completing a task that nobody claimed changes nothing", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const before = await snapshot(runId);
    const task = {
      runId,
      position: 0,
      item: -1,
      delivery: 0,
      failures: 0,
      definitionId: 0,
      itemInput: null,
      checkpoints: {},
      waits: [],
    };
    const reply = await worker.complete([task], "out of nowhere");
    expect([...reply.refused]).toEqual([[0, "ready"]]);
    expect(await snapshot(runId)).toEqual(before);
  });

  test("failing a completed task changes nothing", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const a = await worker.claim();
    await worker.complete([a], "done");
    const before = await snapshot(runId);
    await worker.exchange({ reports: [{ task: a, outcome: "failed", payload: { code: "STEP_FAILED" } }] });
    expect(await snapshot(runId)).toEqual(before);
  });

  test("the first of two failures of a task is the one that is kept", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const a = await worker.claim();
    const fail = (message: string) => ({ task: a, outcome: "failed" as const, payload: { message } });
    await worker.exchange({ reports: [fail("first")] });
    await worker.exchange({ reports: [fail("second")] });
    expect(await taskAt(runId, 0)).toMatchObject({
      status: "failed",
      failures: 1,
      error: '{"message":"first"}',
    });
    expect((await snapshot(runId)).attempts).toHaveLength(1);
  });

  test("a report after the run was cancelled is refused, and tells the worker so", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const a = await worker.claim();
    await backend.query("select goalpost.stop_run($1::uuid, 'cancelled', $2::json)", [
      runId,
      '{"code":"CANCELLED"}',
    ]);
    const before = await snapshot(runId);
    const reply = await worker.complete([a], "too late");
    expect([...reply.refused]).toEqual([[0, "cancelled"]]);
    expect(reply.over).toMatchObject([{ id: runId, status: "cancelled", error: { code: "CANCELLED" } }]);
    expect(await snapshot(runId)).toEqual(before);
  });

  test("a mark of a task that is no longer held is refused, one that is held is kept once", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const a = await worker.claim();
    const mark = { task: a, key: "k", value: "kept" };
    expect((await worker.exchange({ marks: [mark] })).stale.size).toBe(0);
    await worker.exchange({ marks: [{ ...mark, value: "other" }] });
    await worker.complete([a], null);
    const late = await worker.exchange({ marks: [{ ...mark, key: "late" }] });
    expect([...late.stale]).toEqual([0]);
    const stored = await backend.query(
      "select key, value::text from goalpost.checkpoints where run_id = $1::uuid",
      [runId],
    );
    expect(stored).toEqual([{ key: "k", value: '"kept"' }]);
  });

  test("a run is over exactly once, for the call that completed its last task", async () => {
    const worker = makeWorker();
    const runId = await worker.start(
      workflow("sql_two")
        .step("a", () => 0)
        .step("b", () => 0),
    );
    const { tasks } = await worker.exchange({ room: 2 });
    const first = await worker.complete(tasks.slice(0, 1), 1);
    expect(first.over).toEqual([]);
    const second = await worker.complete(tasks.slice(1), 2);
    expect(second.over).toMatchObject([{ id: runId, status: "completed", output: { a: 1, b: 2 } }]);
  });

  test("a lane's tasks are handed out once, however many ask", async () => {
    const worker = makeWorker();
    const others = [makeWorker(worker.lane), makeWorker(worker.lane), makeWorker(worker.lane)];
    const ids = [];
    for (let run = 0; run < 20; run++) {
      ids.push(await worker.start());
    }
    const replies = await Promise.all(others.map((other) => other.exchange({ room: 10 })));
    const handed = replies.flatMap((reply) => reply.tasks.map((task) => task.runId));
    expect(new Set(handed).size).toBe(handed.length);
    const rest = await worker.exchange({ room: 100 });
    expect([...handed, ...rest.tasks.map((task) => task.runId)].toSorted()).toEqual(ids.toSorted());
  });

  test("a ready row is a hint: one for a task that is not ready is dropped", async () => {
    const worker = makeWorker();
    const runId = await worker.start();
    const a = await worker.claim();
    const hint = (position: number): Promise<Row[]> =>
      backend.query(
        "insert into goalpost.ready (lane, prio, key, rank, run_id, position, item) values ($1, 0, 0, 0, $2::uuid, $3, -1)",
        [worker.lane, runId, position],
      );
    const before = await snapshot(runId);
    await hint(0);
    await hint(3);
    expect((await makeWorker(worker.lane).exchange({ room: 10 })).tasks).toEqual([]);
    expect(await snapshot(runId)).toEqual(before);
    expect((await worker.complete([a], 1)).refused.size).toBe(0);
  });

  describe("putting back what a worker held", () => {
    const putBack = async (worker: SqlWorker, status: "lost" | "stopped"): Promise<number> => {
      const [row] = await backend.query<{ count: number }>(
        "select goalpost.put_back($1::uuid, $2, $3::int) as count",
        [worker.id, status, MAX_LOSSES],
      );
      return row?.count ?? -1;
    };

    test("a lost worker's tasks are ready again: a loss, not a failed attempt", async () => {
      const lost = makeWorker();
      const runId = await lost.start();
      const a = await lost.claim();
      expect(await putBack(lost, "lost")).toBe(1);
      expect(await taskAt(runId, 0)).toMatchObject({ status: "ready", failures: 0, losses: 1, worker: null });
      const other = makeWorker(lost.lane);
      const again = await other.claim();
      expect(again).toMatchObject({ runId, failures: 0, delivery: a.delivery + 1 });
      const late = await lost.complete([a], "from the lost one");
      expect([...late.refused.keys()]).toEqual([0]);
      await other.complete([again], "from the other");
      expect(await taskAt(runId, 0)).toMatchObject({ status: "completed", output: '"from the other"' });
      expect((await snapshot(runId)).attempts).toEqual([{ position: 0, outcome: "lost" }]);
    });

    test("a stopped worker's tasks are ready again, and nothing is counted", async () => {
      const stopped = makeWorker();
      const runId = await stopped.start();
      await stopped.claim();
      expect(await putBack(stopped, "stopped")).toBe(1);
      expect(await taskAt(runId, 0)).toMatchObject({ status: "ready", failures: 0, losses: 0 });
      expect((await snapshot(runId)).attempts).toEqual([]);
    });

    test("what was settled is left alone, and a second time there is nothing", async () => {
      const lost = makeWorker();
      const runId = await lost.start();
      const a = await lost.claim();
      const { tasks } = await lost.complete([a], 1, 2);
      await lost.complete(tasks.slice(0, 1), 2);
      expect([await putBack(lost, "lost"), await putBack(lost, "lost")]).toEqual([1, 0]);
      const { tasks: rows } = await snapshot(runId);
      expect(rows?.map((row) => row.status)).toEqual([
        "completed",
        "completed",
        "ready",
        "waiting",
        "waiting",
      ]);
    });

    test("a task that was lost too often ends its run with POISON", async () => {
      const first = makeWorker();
      const runId = await first.start();
      for (let loss = 1; loss <= MAX_LOSSES; loss++) {
        const worker = makeWorker(first.lane);
        await worker.claim();
        await putBack(worker, "lost");
      }
      expect(await taskAt(runId, 0)).toMatchObject({ status: "ready", losses: MAX_LOSSES });
      const last = makeWorker(first.lane);
      await last.claim();
      await putBack(last, "lost");
      const { runs, tasks, ready } = await snapshot(runId);
      expect(runs?.[0]).toMatchObject({ status: "failed", output: null });
      expect(JSON.parse(String(runs?.[0]?.error))).toMatchObject({
        code: "POISON",
        task: { id: "a", step: "a", attempt: 1 },
      });
      expect(new Set(tasks?.map((task) => task.status))).toEqual(new Set(["cancelled"]));
      expect(ready).toEqual([]);
    });
  });
});

describeOnEachBackend("the tables", (backend) => {
  test.for<[string, string]>([
    ["task_is_in_a_legal_state", "update goalpost.tasks set status = 'done' where position = 0"],
    ["task_is_in_a_legal_state", "update goalpost.tasks set output = '1' where position = 0"],
    ["task_is_in_a_legal_state", "update goalpost.tasks set error = '{}' where position = 0"],
    [
      "task_is_in_a_legal_state",
      "update goalpost.tasks set status = 'failed', finished_at = now() where position = 0",
    ],
    [
      "task_is_in_a_legal_state",
      "update goalpost.tasks set status = 'completed', output = '1' where position = 0",
    ],
    ["task_is_in_a_legal_state", "update goalpost.tasks set status = 'running' where position = 0"],
    ["task_is_in_a_legal_state", "update goalpost.tasks set deps_left = 0 where position = 1"],
    ["task_is_in_a_legal_state", "update goalpost.tasks set status = 'ready' where position = 1"],
    [
      "task_is_in_a_legal_state",
      "update goalpost.tasks set deps_left = -1, status = 'cancelled', finished_at = now() where position = 1",
    ],
    ["run_is_in_a_legal_state", "update goalpost.runs set status = 'completed', finished_at = now()"],
    ["run_is_in_a_legal_state", "update goalpost.runs set status = 'failed'"],
    ["run_is_in_a_legal_state", "update goalpost.runs set error = '{}'"],
    ["dependencies_are_counted", "update goalpost.steps set dependencies = -1"],
    ["no_self_edge", "update goalpost.edges set dst = src"],
    ["planned_definitions_are_private", "update goalpost.definitions set source = 'planned'"],
  ])("refuse what is against %s: %s", async ([constraint, statement]) => {
    await new SqlWorker(backend.driver).start();
    const refused = backend.driver.transaction((tx) => tx.query(statement));
    expect(await rejection<Error>(refused)).toMatchObject({ message: expect.stringContaining(constraint) });
  });

  test("hold one run for an id, whoever stores it again", async () => {
    const worker = new SqlWorker(backend.driver);
    const runId = await worker.start();
    const insert = `insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key,
      root_run_id, input, created_at) values ($1::uuid, 1, 'w', 'static', 'running', 'local', 'l', 0, 0, $2::uuid,
      'null', now())`;
    const refused = await rejection<{ code: string }>(backend.query(insert, [runId, randomUUID()]));
    expect(refused.code).toBe("23505");
  });
});
