import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { Logger } from "./core/logger.ts";
import { Observer } from "./engine/observer.ts";
import { listLeftBehind, listOnline, putBack } from "./store/instances.ts";

/** A task that was lost with its worker more often than this ends its run with POISON. */
const MAX_LOSSES = 5;
const LOOK_MS = 500;

export interface SweeperOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The worker of this instance: never taken for lost. */
  readonly worker: string;
}

/** Looks for instances that are gone, and makes what they held ready again. */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #observer: Observer;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#observer = new Observer(options.clock);
  }

  start(): void {
    this.#cancel = this.#options.clock.timer(LOOK_MS, () => void this.#look());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #look(): Promise<void> {
    const { driver, logger, worker } = this.#options;
    try {
      const others = (await listOnline(driver)).filter((instance) => instance.worker !== worker);
      for (const lost of this.#observer.look(others)) {
        const count = await putBack(driver, { worker: lost, status: "lost", maxLosses: MAX_LOSSES });
        logger.warn({ worker: lost, count }, "an instance was lost; its tasks are ready again");
      }
      for (const gone of (await listLeftBehind(driver)).filter((other) => other !== worker)) {
        await putBack(driver, { worker: gone, status: "stopped", maxLosses: MAX_LOSSES });
      }
    } catch (error) {
      this.#observer.startAgain();
      logger.warn({ error: String(error) }, "could not look for lost instances");
    }
    if (!this.#stopped) {
      this.start();
    }
  }
}

/** Nobody else can be using the database: whoever is still listed is dead. */
export async function takeAllForLost(driver: Driver): Promise<void> {
  for (const { worker } of await listOnline(driver)) {
    await putBack(driver, { worker, status: "lost", maxLosses: MAX_LOSSES });
  }
  for (const worker of await listLeftBehind(driver)) {
    await putBack(driver, { worker, status: "stopped", maxLosses: MAX_LOSSES });
  }
}

/** An instance ends in good order: what it did not finish is ready again. */
export async function sayGoodbye(driver: Driver, worker: string): Promise<void> {
  await putBack(driver, { worker, status: "stopped", maxLosses: MAX_LOSSES });
}
