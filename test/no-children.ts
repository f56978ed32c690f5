import { childRuns } from "../src/child-runs.ts";
import type { ChildRuns } from "../src/engine/children.ts";

/** For steps that start no runs. */
export const noChildren: ChildRuns = childRuns(() => {
  throw new Error("this step starts no runs");
});
