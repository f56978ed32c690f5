import { randomUUID } from "node:crypto";
import pg from "pg";
import type { Driver } from "../src/core/driver.ts";
import type { FinishedRun } from "../src/engine/protocol.ts";
import { systemClock } from "../src/engine/system-clock.ts";
import { Worker } from "../src/engine/worker.ts";
import { type AnyWorkflow, silentLogger } from "../src/index.ts";
import { staticCode } from "../src/static-code.ts";
import { ensureDefinition } from "../src/store/definitions.ts";
import { putBack } from "../src/store/instances.ts";
import { migrate } from "../src/store/migrate.ts";
import { createPgDriver } from "../src/store/pg-driver.ts";
import { createDatabase } from "./contract/backends.ts";
import { noChildren, noModels, sendNothing } from "./no-children.ts";

const LANE = "fleet";

export interface FleetOptions {
  readonly workers: number;
  /** Decides before each answer of the database whether the worker loses it. */
  readonly losesAnswer?: () => boolean;
  /** Each has a lane of its own and carries out the runs that it stores. Default: all share one lane. */
  readonly local?: boolean;
  /** Tasks that each carries out at once. Default 4. */
  readonly concurrency?: number;
}

interface FleetWorker {
  readonly id: string;
  readonly lane: string;
  readonly worker: Worker;
}

/** Several workers, each with connections of its own, that serve one lane of one PostgreSQL database. */
export class Fleet {
  readonly driver: Driver;
  readonly #local: boolean;
  readonly #concurrency: number;
  readonly #workers: FleetWorker[] = [];
  readonly #drivers: Driver[] = [];
  readonly #pools: pg.Pool[] = [];
  readonly #workflows = new Map<string, AnyWorkflow>();
  readonly #ends = new Map<string, FinishedRun[]>();
  readonly #watchers = new Map<string, (run: FinishedRun) => void>();

  private constructor(url: string, { local = false, concurrency = 4 }: FleetOptions) {
    this.#local = local;
    this.#concurrency = concurrency;
    this.driver = this.#connect(url);
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const url = await createDatabase();
    const fleet = new Fleet(url, options);
    await migrate(fleet.driver);
    for (let index = 0; index < options.workers; index++) {
      const driver = fleet.#connect(url);
      fleet.#drivers.push(options.losesAnswer ? forgetful(driver, options.losesAnswer) : driver);
      fleet.#workers.push(fleet.#startWorker(index));
    }
    return fleet;
  }

  #startWorker(index: number): FleetWorker {
    const id = randomUUID();
    const lane = this.#local ? id : LANE;
    const worker = new Worker({
      driver: this.#drivers[index] ?? this.driver,
      id,
      lanes: [lane],
      concurrency: this.#concurrency,
      findCode: (run, _, node) => {
        const of = this.#workflows.get(run.workflow);
        return of && staticCode(of, node);
      },
      clock: systemClock,
      logger: silentLogger,
      maxOutputBytes: 1_000_000,
      about: { name: `worker ${index}`, host: "test", pid: process.pid, version: "0" },
      onFinished: (run) => this.#finished(run),
      children: noChildren,
      storeProgress: async () => undefined,
      send: sendNothing,
      models: noModels,
    });
    worker.start();
    return { id, lane, worker };
  }

  /** Who a worker is. */
  worker(index: number): { readonly id: string; readonly lane: string } {
    const worker = this.#workers[index];
    if (!worker) {
      throw new Error(`there is no worker ${index}`);
    }
    return worker;
  }

  /** Stops a worker in the middle of what it does, and starts another in its place. */
  async replace(index: number): Promise<void> {
    const old = this.#workers[index];
    this.#workers[index] = this.#startWorker(index);
    await old?.worker.stop(0);
    await putBack(this.driver, { worker: old?.id ?? "", status: "stopped", maxLosses: 5 });
  }

  #connect(url: string): Driver {
    const pool = new pg.Pool({ connectionString: url, max: 3 });
    this.#pools.push(pool);
    return createPgDriver(pool, { logger: silentLogger, ownsPool: false });
  }

  #finished(run: FinishedRun): void {
    this.#ends.set(run.id, [...(this.#ends.get(run.id) ?? []), run]);
    this.#watchers.get(run.id)?.(run);
  }

  /** Stores a run through one of the workers; that one carries out its tasks, or any if they share a lane. */
  async submit(of: AnyWorkflow, via: number): Promise<{ runId: string; ended: Promise<FinishedRun> }> {
    this.#workflows.set(of.name, of);
    const runId = randomUUID();
    const ended = new Promise<FinishedRun>((resolve) => this.#watchers.set(runId, resolve));
    const { name, hash, shape } = of;
    const { id, lane, worker } = this.#workers[via % this.#workers.length] as FleetWorker;
    await worker.submit({
      id: runId,
      definitionId: await ensureDefinition(this.driver, { name, hash, shape, source: "static" }),
      workflow: name,
      source: "static",
      execution: this.#local ? "local" : "distributed",
      lane,
      priority: 0,
      owner: this.#local ? id : randomUUID(),
      inputHash: null,
      deadlineMs: null,
      labels: null,
      input: "null",
      settings: null,
      shape: null,
    });
    return { runId, ended };
  }

  /** The ends of a run that workers were told of: one each time a worker was. */
  endsOf(runId: string): readonly FinishedRun[] {
    return this.#ends.get(runId) ?? [];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map(({ worker }) => worker.stop(1000)));
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }
}

/** A driver whose statements are carried out, but whose answers get lost now and then. */
function forgetful(driver: Driver, losesAnswer: () => boolean): Driver {
  const lose = <T>(rows: T): T => {
    if (losesAnswer()) {
      throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    }
    return rows;
  };
  return {
    ...driver,
    query: async (text, values) => lose((await driver.query(text, values)) as never),
    queryNamed: async (name, text, values) => lose((await driver.queryNamed(name, text, values)) as never),
  };
}
