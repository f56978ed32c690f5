import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import {
  type InstanceFilter,
  type InstanceStatus,
  type InstanceSummary,
  listInstances,
} from "./store/instances.ts";

const STATUSES: readonly InstanceStatus[] = ["online", "stopped", "lost"];

/** `gp.instances`: who works on this database. */
export class Instances {
  readonly #driver: Driver;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** The instances that the database knows, those that are online first, then the newest. @throws INVALID_INPUT */
  async list(filter: InstanceFilter = {}): Promise<InstanceSummary[]> {
    if (filter.status !== undefined && !STATUSES.includes(filter.status)) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `status is "${filter.status}"; there are: ${STATUSES.join(", ")}`,
      );
    }
    return listInstances(this.#driver, filter);
  }
}
