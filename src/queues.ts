import type { Driver } from "./core/driver.ts";
import { checkName } from "./core/names.ts";
import { check } from "./core/policy.ts";
import { limitQueue, listQueues, type QueueSummary } from "./store/queues.ts";

/** `gp.queues`: where the tasks of distributed runs wait. */
export class Queues {
  readonly #driver: Driver;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /**
   * Limits how many tasks of a queue run at once, on all instances together; it holds from the next claim on.
   * @param maxRunning a whole number ≥ 1; null lifts the limit
   * @throws INVALID_INPUT
   */
  async limit(name: string, maxRunning: number | null): Promise<void> {
    checkName(name, "queue");
    check(maxRunning ?? undefined, { what: "maxRunning", least: 1, whole: true });
    await limitQueue(this.#driver, name, maxRunning);
  }

  /** Queues that runs were started in, or that have a limit, by name. */
  list(): Promise<QueueSummary[]> {
    return listQueues(this.#driver);
  }
}
