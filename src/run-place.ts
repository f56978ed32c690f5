import type { Driver } from "./core/driver.ts";
import { DEFAULT_QUEUE, laneSuffix, queueLane } from "./core/lanes.ts";
import type { Shape } from "./core/shape.ts";
import type { StartOptions } from "./options.ts";
import { addLanes } from "./store/lanes.ts";

/** Where the tasks of a run wait. */
export interface RunPlace {
  readonly execution: "local" | "distributed";
  readonly lane: string;
}

/** Finds the lanes of runs, and writes shared ones down for the workers that serve them. */
export class RunPlaces {
  readonly #driver: Driver;
  readonly #ownLane: string;
  readonly #known = new Set<string>();

  constructor(driver: Driver, ownLane: string) {
    this.#driver = driver;
    this.#ownLane = ownLane;
  }

  /** Where a run of this shape goes. */
  async of(options: StartOptions, shape: Shape): Promise<RunPlace> {
    const { queue, execution = queue === undefined ? "local" : "distributed" } = options;
    if (execution === "local") {
      return { execution, lane: this.#ownLane };
    }
    const lane = queueLane(queue ?? DEFAULT_QUEUE);
    const suffixes = new Set(shape.nodes.map((node) => laneSuffix(node.spec.requires) ?? ""));
    const unknown = [...suffixes]
      .map((suffix) => `${lane}${suffix}`)
      .filter((shared) => !this.#known.has(shared));
    if (unknown.length > 0) {
      await addLanes(this.#driver, unknown);
      for (const shared of unknown) {
        this.#known.add(shared);
      }
    }
    return { execution, lane };
  }
}
