// What a worker of the fire tests is, in the test's process and in others: of the built library, which they load quickly.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type AnyWorkflow, type Logger, silentLogger, workflow } from "goalpost";
import pg from "pg";
import { childRuns } from "../../dist/child-runs.js";
import type { Driver, Queryable } from "../../dist/core/driver.js";
import { systemClock } from "../../dist/engine/system-clock.js";
import { Worker } from "../../dist/engine/worker.js";
import { staticCode } from "../../dist/static-code.js";
import { createPgDriver } from "../../dist/store/pg-driver.js";

export const LANE = "fire";

export function openConnections(url: string, max: number): { driver: Driver; end: () => Promise<void> } {
  const pool = new pg.Pool({ connectionString: url, max });
  // Without a listener a broken idle connection ends the process.
  pool.on("error", () => undefined);
  const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
  return { driver, end: () => pool.end() };
}

export interface StepContextLike {
  readonly runId: string;
  readonly taskId: string;
  once(key: string, fn: () => string): Promise<unknown>;
}

export interface EffectOptions {
  readonly db: Queryable;
  readonly worker: string;
  /** Called between the beginning and the effect. */
  readonly meanwhile?: () => Promise<unknown>;
}

/** A step's function that leaves an effect: begun, remembered, carried out, in separate transactions. */
export function effectStep({ db, worker, meanwhile }: EffectOptions) {
  return async (input: Readonly<Record<string, unknown>>, ctx: StepContextLike): Promise<unknown> => {
    const execution = randomUUID();
    await db.query("insert into fire.begun values ($1, $2, $3, $4)", [
      execution,
      ctx.runId,
      ctx.taskId,
      worker,
    ]);
    const token = await ctx.once("token", () => execution);
    await (meanwhile?.() ?? sleep(Math.random() * 40));
    await db.query("insert into fire.effects values ($1, $2, $3) on conflict do nothing", [
      token,
      ctx.runId,
      ctx.taskId,
    ]);
    const { run: _, ...before } = input as Record<string, { token: string }>;
    const seen = Object.fromEntries(Object.entries(before).map(([name, output]) => [name, output.token]));
    return { token, execution, seen };
  };
}

/** The builder without its types, for workflows made in a loop. */
export interface LooseBuilder extends AnyWorkflow {
  step(name: string, ...rest: unknown[]): LooseBuilder;
  map(name: string, ...rest: unknown[]): LooseBuilder;
}

export const loose = (name: string): LooseBuilder => workflow(name) as unknown as LooseBuilder;

/** A root, four parts after it, a join over them, and one more. */
export function fireFlow(options: EffectOptions): AnyWorkflow {
  const step = effectStep(options);
  const parts = ["part0", "part1", "part2", "part3"];
  const policy = { retry: { baseMs: 10 }, maxAttempts: 1000 };
  return parts
    .reduce(
      (built, part) => built.step(part, { after: ["root"], ...policy }, step),
      loose("fire_flow").step("root", policy, step),
    )
    .step("join", { after: parts, ...policy }, step)
    .step("last", { after: ["join"], ...policy }, step);
}

function nothing(): never {
  throw new Error("these steps start no runs, send no messages and ask no models");
}

export interface FireWorkerOptions {
  readonly driver: Driver;
  readonly id: string;
  readonly concurrency: number;
  readonly flow: AnyWorkflow;
  readonly logger?: Logger;
}

/** Starts a worker that serves the lane of these tests. */
export function startFireWorker({ driver, id, concurrency, flow, logger }: FireWorkerOptions): Worker {
  const worker = new Worker({
    driver,
    id,
    lanes: [LANE],
    concurrency,
    findCode: (run, _, node) => (run.workflow === flow.name ? staticCode(flow, node) : undefined),
    clock: systemClock,
    logger: logger ?? silentLogger,
    maxOutputBytes: 1_000_000,
    about: { name: `worker ${id}`, host: "test", pid: process.pid, version: "0" },
    children: childRuns({} as Driver, nothing),
    storeProgress: async () => undefined,
    send: async () => nothing(),
    models: {
      instance: id,
      prepare: async () => nothing(),
      embed: async () => nothing(),
      usual: async () => nothing(),
    },
    onFinished: () => undefined,
  });
  worker.start();
  return worker;
}
