/** How specific a row of statistics is. */
export type StatLevel = "step" | "model" | "kind" | "global";

/** A row of statistics: names hold no slash. */
export interface StatKey {
  readonly level: StatLevel;
  /** The step; empty for what is about all of them. */
  readonly step: string;
  readonly text: string;
}

export const GLOBAL: StatKey = { level: "global", step: "", text: "global" };

/** All tries of a step. */
export function kindKey(step: string): StatKey {
  return { level: "kind", step, text: `kind/${step}` };
}

/** A task of a graph that recurs. @param task its id under the graph's shape */
export function taskKey(step: string, task: string): StatKey {
  return { level: "step", step, text: `step/${step}/${task}` };
}

/** A step by the model that it calls ("" for none) and the size of its input (undefined: of any size). */
export function modelKey(step: string, model: string, sizeBucket?: number): StatKey {
  return { level: "model", step, text: `model/${step}/${sizeBucket ?? "any"}/${model}` };
}
