import { hostname } from "node:os";
import { v7 as newId } from "uuid";
import type { Attendance } from "./attendance.ts";
import type { CodeRegistry } from "./code-registry.ts";
import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { checkNames, DEFAULT_QUEUE } from "./core/lanes.ts";
import type { Logger } from "./core/logger.ts";
import { check } from "./core/policy.ts";
import type { ChildRuns } from "./engine/children.ts";
import type { FinishedRun } from "./engine/protocol.ts";
import { Worker as EngineWorker } from "./engine/worker.ts";
import type { WorkerOptions as EngineWorkerOptions } from "./engine/worker-options.ts";
import { VERSION } from "./environment.ts";
import type { Learning } from "./learning.ts";
import { storeProgress } from "./store/task-progress.ts";

/** Tasks that a worker carries out at once unless it is told otherwise. */
export const DEFAULT_CONCURRENCY = 10;
/** Milliseconds that tasks under way are given to end when a worker stops. */
export const DEFAULT_GRACE_MS = 10_000;

/** What an additional worker serves. */
export interface WorkerOptions {
  /** The queues whose distributed runs it carries out. Default: ["default"]. */
  readonly queues?: readonly string[] | undefined;
  /** Tasks carried out at once. Default 10. */
  readonly concurrency?: number | undefined;
  /** What steps may require that it has, such as "gpu". Default: nothing. */
  readonly capabilities?: readonly string[] | undefined;
}

/** A worker that serves shared queues; made by `gp.worker()`. */
export interface Worker {
  /** New for every worker, as `gp.instances` lists it. */
  readonly id: string;
  /** Carries out tasks until it is stopped. @throws CLOSED */
  start(): Promise<void>;
  /**
   * Takes no more tasks, waits for those under way (at most `graceMs`, default 10 s; then they are aborted) and puts
   * back what was not finished.
   */
  stop(options?: { readonly graceMs?: number | undefined }): Promise<void>;
  /** Carries out what is ready now, and no more; returns how many tasks that were. For workers that are not started. */
  tick(): Promise<number>;
}

export interface WorkersParts {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly name: string;
  readonly maxOutputBytes: number;
  readonly registry: CodeRegistry;
  readonly attendance: Attendance;
  readonly children: ChildRuns;
  readonly send: EngineWorkerOptions["send"];
  readonly models: EngineWorkerOptions["models"];
  readonly agents: EngineWorkerOptions["agents"];
  readonly learning: Learning;
  readonly onFinished: (run: FinishedRun & { readonly owned: boolean }) => void;
}

type Serving = Pick<
  EngineWorkerOptions,
  "id" | "lanes" | "queues" | "capabilities" | "concurrency" | "servesQueues" | "onLapsed"
>;

/** The workers of one client. */
export class Workers {
  readonly #parts: WorkersParts;
  readonly #all = new Set<EngineWorker>();
  #closed = false;

  constructor(parts: WorkersParts) {
    this.#parts = parts;
    parts.registry.learning = parts.learning;
  }

  make(serving: Serving): EngineWorker {
    const { name, registry, attendance, driver, learning, ...parts } = this.#parts;
    const worker = new EngineWorker({
      ...parts,
      ...serving,
      driver,
      storeProgress: (held, progress) => storeProgress(driver, held, progress),
      findCode: (run, definition, node) => registry.find(run, definition, node),
      about: { name, host: hostname(), pid: process.pid, version: VERSION },
      connection: attendance,
      onTried: learning.observe,
      onFleet: (fleet) => attendance.saw(fleet),
      onUnanswered: (error) => attendance.missed(error),
    });
    this.#all.add(worker);
    return worker;
  }

  /** @throws INVALID_INPUT, CLOSED */
  open(options: WorkerOptions): Worker {
    const { queues = [DEFAULT_QUEUE], capabilities = [], concurrency = DEFAULT_CONCURRENCY } = options;
    checkServing(options, "worker");
    check(concurrency, { what: "worker: concurrency", least: 1, whole: true });
    if (queues.length === 0) {
      throw new GoalpostError("INVALID_INPUT", 'a worker serves at least one queue: { queues: ["default"] }');
    }
    this.#refuseWhenClosed();
    const worker = this.make({ id: newId(), lanes: [], queues, capabilities, concurrency });
    let stopped: Promise<void> | undefined;
    return {
      id: worker.id,
      start: () => this.start(worker),
      stop: ({ graceMs } = {}) => {
        check(graceMs, { what: "graceMs", least: 0 });
        stopped ??= this.#stop(worker, graceMs ?? DEFAULT_GRACE_MS);
        return stopped;
      },
      tick: () => worker.tick(),
    };
  }

  async start(worker: EngineWorker): Promise<void> {
    this.#refuseWhenClosed();
    const { attendance } = this.#parts;
    await attendance.open();
    if (this.#all.has(worker) && !this.#closed) {
      attendance.add(worker);
      worker.start();
    }
  }

  /** There may be something to carry out. */
  wake(): void {
    for (const worker of this.#all) {
      worker.wake();
    }
  }

  abortRun(runId: string, reason: GoalpostError): void {
    for (const worker of this.#all) {
      worker.abortRun(runId, reason);
    }
  }

  async stopAll(graceMs: number): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((worker) => this.#stop(worker, graceMs)));
  }

  async #stop(worker: EngineWorker, graceMs: number): Promise<void> {
    if (this.#all.delete(worker)) {
      await worker.stop(graceMs);
      await this.#parts.attendance.remove(worker);
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) {
      throw new GoalpostError("CLOSED", "this client is closed; open another one with Goalpost.open()");
    }
  }
}

/** @throws INVALID_INPUT */
export function checkServing(
  options: { readonly queues?: unknown; readonly capabilities?: unknown },
  what: string,
): void {
  checkNames(options.queues, `${what}: queues`);
  checkNames(options.capabilities, `${what}: capabilities`);
}
