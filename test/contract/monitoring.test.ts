import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { NonRetryableError, silentLogger, workflow } from "../../src/index.ts";
import { createLedger } from "../../src/store/ledger.ts";
import { timedDriver } from "../../src/store/timed-driver.ts";
import { call, outcome, scopeOf } from "../ledger-calls.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";

interface Instance {
  readonly status?: string;
  readonly silentMs?: number;
  readonly load?: { readonly running: number; readonly concurrency: number };
}

async function addInstance(backend: Backend, { status = "online", silentMs = 0, load }: Instance) {
  const name = randomUUID();
  await backend.query(
    `insert into goalpost.instances (worker, name, host, pid, version, status, lanes, queues, load, started_at, heartbeat_at)
     values ($1::uuid, $2, 'here', 7, '1.2.3', $3, '{}', '{default,slow}', $4::jsonb, goalpost.now() - interval '1 hour',
       goalpost.now() - make_interval(secs => $5::float8 / 1000))`,
    [randomUUID(), name, status, JSON.stringify(load ?? { running: 1, concurrency: 4 }), silentMs],
  );
  return name;
}

describeOnEachBackend("the monitoring views", (backend) => {
  const healthOf = async (name: string) => {
    const rows = await backend.query(
      `select health, running, concurrency, load_share::float8, queues, version, silent_ms::int
       from goalpost.instance_health where instance_id = $1`,
      [name],
    );
    return rows[0];
  };

  test("instance_health tells load, queues and version of a healthy instance", async () => {
    const health = await healthOf(await addInstance(backend, {}));
    expect(health).toMatchObject({ health: "healthy", running: 1, concurrency: 4, load_share: 0.25 });
    expect(health).toMatchObject({ queues: ["default", "slow"], version: "1.2.3" });
  });

  test("instance_health calls an instance late that is online and silent", async () => {
    const health = await healthOf(await addInstance(backend, { silentMs: 6000 }));
    expect(health?.health).toBe("late");
    expect(health?.silent_ms).toBeGreaterThanOrEqual(6000);
  });

  test("instance_health gives no load to those that are gone, nor divides by no concurrency", async () => {
    for (const status of ["stopped", "lost"]) {
      const health = await healthOf(await addInstance(backend, { status, silentMs: 60_000 }));
      expect(health).toMatchObject({ health: status, running: 0, load_share: 0 });
    }
    const idle = await addInstance(backend, { load: { running: 0, concurrency: 0 } });
    expect(await healthOf(idle)).toMatchObject({ health: "healthy", load_share: null });
  });

  test("instance_health and gp.instances know the same instances", async () => {
    const t = await backend.client({ instanceId: "registered" });
    await t.tick();
    const [listed] = (await t.gp.instances.list()).filter(({ id }) => id === "registered");
    const [row] = await backend.query(
      "select worker_id, version, host, pid from goalpost.instance_health where instance_id = 'registered'",
    );
    const { workerId, version, host, pid } = listed ?? {};
    expect(row).toEqual({ worker_id: workerId, version, host, pid });
  });

  test("run_distribution counts the runs that each instance started, by workflow and state", async () => {
    const w = workflow<boolean>("spread").step("a", ({ run }) => {
      if (run) {
        throw new NonRetryableError("no");
      }
    });
    const [left, right] = [
      await backend.client({ instanceId: "run-left" }),
      await backend.client({ instanceId: "run-right" }),
    ];
    await left.gp.start(w, false);
    await left.gp.start(w, true);
    await left.settle();
    await right.gp.start(w, false);
    const rows = await backend.query(
      `select instance_id, runs::int, unfinished::int, completed::int, failed::int, cancelled::int
       from goalpost.run_distribution where workflow = 'spread' order by instance_id`,
    );
    expect(rows).toEqual([
      { instance_id: "run-left", runs: 2, unfinished: 0, completed: 1, failed: 1, cancelled: 0 },
      { instance_id: "run-right", runs: 1, unfinished: 1, completed: 0, failed: 0, cancelled: 0 },
    ]);
  });

  test("task_distribution counts what each instance carried out, whoever started the run", async () => {
    const queue = `q_${randomUUID()}`;
    let tries = 0;
    const w = workflow("shared")
      .step("a", () => 1)
      .step("b", { after: ["a"], retry: { baseMs: 0 } }, () => {
        tries += 1;
        if (tries === 1) {
          throw new Error("once more");
        }
      });
    const [starter, carrier] = [
      await backend.client({ instanceId: "starts-only" }),
      await backend.client({ instanceId: "carries-out", workers: { queues: [queue] } }),
    ];
    carrier.gp.register({ workflows: [w] });
    await starter.gp.start(w, null, { execution: "distributed", queue });
    await carrier.settle();
    carrier.clock.advance(1000);
    await carrier.settle();
    const rows = await backend.query(
      `select instance_id, running::int, completed::int, failed::int, failed_tries::int, lost_tries::int
       from goalpost.task_distribution where instance_id in ('starts-only', 'carries-out')`,
    );
    const counts = { running: 0, completed: 2, failed: 0, failed_tries: 1, lost_tries: 0 };
    expect(rows).toEqual([{ instance_id: "carries-out", ...counts }]);
  });

  test("workflow_results sums what came of a workflow, how long it took and what it cost", async () => {
    const t = await backend.client();
    const driver = timedDriver(backend.driver, t.clock);
    const ledger = createLedger({ driver, logger: silentLogger, worker: randomUUID() });
    const w = workflow<"cheap" | "unpriced" | "fails">("billed").step("a", async ({ run }, ctx) => {
      const planned = call({ scope: scopeOf(ctx.runId), ...(run === "unpriced" && { costNanoUsd: null }) });
      await ledger.reserve(planned);
      const unknown = { costNanoUsd: null, priceSource: "unknown" as const };
      await ledger.settle(outcome(planned.callId, run === "unpriced" ? unknown : {}));
      if (run === "fails") {
        throw new NonRetryableError("no");
      }
    });
    for (const kind of ["cheap", "cheap", "unpriced", "fails"] as const) {
      await t.gp.start(w, kind);
      t.clock.advance(1000);
      await t.settle();
    }
    const [row] = await backend.query(
      `select runs::int, completed::int, failed::int, cancelled::int, completed_share::float8, cost_cents::float8,
        unpriced_runs::int, mean_duration_ms::int, p50_duration_ms::int, p95_duration_ms::int
       from goalpost.workflow_results where workflow = 'billed'`,
    );
    expect(row).toEqual({
      runs: 4,
      completed: 3,
      failed: 1,
      cancelled: 0,
      completed_share: 0.75,
      cost_cents: 3,
      unpriced_runs: 1,
      mean_duration_ms: 1000,
      p50_duration_ms: 1000,
      p95_duration_ms: 1000,
    });
  });
});
