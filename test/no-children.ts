import { childRuns } from "../src/child-runs.ts";
import type { Driver } from "../src/core/driver.ts";
import type { ModelCalls } from "../src/core/model-calls.ts";
import type { ChildRuns } from "../src/engine/children.ts";

/** For steps that start no runs. */
export const noChildren: ChildRuns = childRuns({} as Driver, () => {
  throw new Error("this step starts no runs");
});

/** For steps that ask no models. */
export const noModels: ModelCalls = {
  instance: "nobody",
  prepare: () => Promise.reject(new Error("this step asks no models")),
  embed: () => Promise.reject(new Error("this step embeds nothing")),
  usual: async () => ({ model: null, choices: [], isLearned: false }),
};

/** For steps that send no messages. */
export const sendNothing = (): Promise<string> => Promise.reject(new Error("this step sends no messages"));
