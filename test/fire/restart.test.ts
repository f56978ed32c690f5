import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { Goalpost, silentLogger, type TaskSpec } from "../../src/index.ts";
import { assertInvariants } from "../invariants.ts";
import { type Server, startServer } from "../server.ts";
import { effectStep, fireFlow, startFireWorker } from "./built-worker.ts";
import {
  assertEffects,
  connect,
  PATIENCE_MS,
  prepareDatabase,
  submit,
  TIMEOUT,
  untilAllEnded,
} from "./flow.ts";

const CRASHES = 2;
const RUNS = 60;

async function startOwnServer(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-restart-"));
  chmodSync(folder, 0o755);
  const server = await startServer(folder);
  onTestFinished(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return server;
}

/** A step's own statements are the step's business: here they are repeated until the server is back. */
function patient(db: ReturnType<typeof connect>): ReturnType<typeof connect> {
  return {
    ...db,
    query: async (text, values) => {
      for (;;) {
        try {
          return (await db.query(text, values)) as never;
        } catch (error) {
          if ((error as { code?: string }).code === "23505") {
            return [];
          }
          await sleep(50);
        }
      }
    },
  };
}

test(
  "a server that crashes under load loses nothing that was stored, and everybody goes on",
  TIMEOUT,
  async () => {
    const server = await startOwnServer();
    const driver = connect(server.url);
    await prepareDatabase(driver);
    const db = patient(connect(server.url, 10));
    const flow = fireFlow({ db, worker: randomUUID() });
    const workers = [0, 1].map(() => {
      const worker = startFireWorker({ driver: connect(server.url), id: randomUUID(), concurrency: 8, flow });
      onTestFinished(() => worker.stop(0));
      return worker;
    });
    const gp = await Goalpost.open({ database: server.url, logger: silentLogger });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    const step = effectStep({ db, worker: randomUUID() }) as never;
    const plan = (): TaskSpec[] => [
      { id: "a", description: "" },
      { id: "b", description: "", dependsOn: ["a"] },
    ];

    const submitted: Promise<string>[] = [];
    const goals: Promise<unknown>[] = [];
    let n = 0;
    const load = setInterval(() => {
      if (n === RUNS) {
        return;
      }
      const worker = workers[n % 2] as (typeof workers)[0];
      submitted.push(submit(worker, db, flow));
      if (n % 4 === 0) {
        goals.push(gp.executeGoal(`goal ${n}`, plan, { a: step, b: step }));
      }
      n += 1;
    }, 30);
    for (let crash = 0; crash < CRASHES; crash++) {
      await sleep(500 + Math.random() * 500);
      await server.crash();
    }
    await sleep(300);
    clearInterval(load);

    const ended = await Promise.allSettled(goals);
    expect(ended.filter(({ status }) => status === "rejected")).toEqual([]);
    const stored = await Promise.all(submitted);
    await untilAllEnded(patient(driver), PATIENCE_MS);
    const kept = await driver.query("select id from goalpost.runs where id = any($1::uuid[])", [stored]);
    expect(kept).toHaveLength(n);
    const statuses = await driver.query("select distinct status from goalpost.runs");
    expect(statuses).toEqual([{ status: "completed" }]);
    await assertInvariants(driver);
    await assertEffects(driver);
  },
);
