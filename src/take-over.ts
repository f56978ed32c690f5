import type { CodeRegistry, RunCode } from "./code-registry.ts";
import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { Logger } from "./core/logger.ts";
import type { Worker } from "./engine/worker.ts";
import { adoptRun, ownerOf } from "./store/run-actions.ts";

/** How often an owner that is alive is looked at again. */
const OWNER_LOOK_MS = 1000;

export interface TakeOverOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: CodeRegistry;
  readonly worker: Worker;
  readonly workerId: string;
  readonly lane: string;
  /** Tasks carried out at once; 0 if this client carries nothing out, and so takes nothing over. */
  readonly concurrency: number;
}

/** Runs of other instances that somebody here waits for: each is taken over as soon as its owner is gone. */
export class TakeOver {
  readonly #o: TakeOverOptions;
  /** By run; calls off the next look. */
  readonly #followed = new Map<string, () => void>();
  #closed = false;

  constructor(options: TakeOverOptions) {
    this.#o = options;
  }

  /**
   * Takes the run now if its owner is gone, and otherwise as soon as it is. Runs that are final or that any instance
   * can carry out are left alone, and so is code that is bound to the run already.
   */
  async follow(runId: string, code: RunCode): Promise<void> {
    if (this.#o.concurrency === 0 || this.#closed || this.#followed.has(runId)) {
      return;
    }
    this.#followed.set(runId, () => undefined);
    try {
      await this.#look(runId, code);
    } catch (error) {
      this.#followed.delete(runId);
      throw error;
    }
  }

  /** Follows nothing any more. */
  close(): void {
    this.#closed = true;
    for (const cancel of this.#followed.values()) {
      cancel();
    }
  }

  async #look(runId: string, code: RunCode): Promise<void> {
    if (await this.#take(runId, code)) {
      this.#followed.delete(runId);
    } else {
      this.#lookLater(runId, code);
    }
  }

  #lookLater(runId: string, code: RunCode): void {
    if (this.#closed) {
      return;
    }
    const cancel = this.#o.clock.timer(OWNER_LOOK_MS, () => {
      this.#look(runId, code).catch((error: unknown) => {
        this.#o.logger.warn({ runId, error: String(error) }, "could not take the run over; trying again");
        this.#lookLater(runId, code);
      });
    });
    this.#followed.set(runId, cancel);
  }

  /** True if there is nothing to look for any more. */
  async #take(runId: string, code: RunCode): Promise<boolean> {
    const { driver, registry, worker, workerId, lane, logger } = this.#o;
    const isBound = registry.has(runId);
    if (!isBound) {
      // Before it is ours: its tasks may come at once.
      registry.bind(runId, code);
    }
    if (await adoptRun(driver, runId, { worker: workerId, lane })) {
      logger.info({ runId }, "the run's owner is gone; the run is taken over");
      worker.wake();
      return true;
    }
    const run = await ownerOf(driver, runId);
    if (run?.owner === workerId && !run.final) {
      return true;
    }
    if (!isBound) {
      registry.release(runId);
    }
    return run === undefined || run.final || run.execution !== "local";
  }
}
