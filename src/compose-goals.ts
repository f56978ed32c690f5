import { isGoalpostError } from "./core/errors.ts";
import type { Goal } from "./core/goal.ts";
import type { ComposedResult, GoalResult } from "./run-result.ts";

/** Runs goals beside or after each other; one that fails does not stop the others. */
export async function composeGoals(
  goals: readonly Goal[],
  execute: (goal: Goal) => Promise<GoalResult>,
  parallel: boolean,
): Promise<ComposedResult[]> {
  const one = (goal: Goal): Promise<ComposedResult> => execute(goal).catch(toFailure);
  if (parallel) {
    return Promise.all(goals.map(one));
  }
  const results: ComposedResult[] = [];
  for (const goal of goals) {
    results.push(await one(goal));
  }
  return results;
}

function toFailure(error: unknown): ComposedResult {
  if (!isGoalpostError(error)) {
    throw error;
  }
  return { status: "failed", error };
}
