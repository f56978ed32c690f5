import type { Decomposer, Goal } from "./core/goal.ts";
import type { StepMap } from "./core/step.ts";
import { Goalpost } from "./goalpost.ts";
import type { OpenOptions } from "./open-options.ts";
import type { GoalOptions } from "./options.ts";
import type { GoalResult } from "./run-result.ts";

/** How one goal is executed: where, and how. */
export interface ExecuteGoalOptions
  extends GoalOptions,
    Pick<OpenOptions, "database" | "logger" | "workers" | "llm"> {}

/**
 * The whole way of a goal in one call: opens the database, plans, runs to the end, closes.
 * @param decomposer turns the goal into tasks
 * @param steps what tasks can name as their step
 * @throws RunFailedError if planning or a task fails; INVALID_INPUT, DATABASE_BUSY, DATABASE_UNAVAILABLE
 */
// biome-ignore lint/complexity/useMaxParams: the call of the README.
export async function executeGoal(
  goal: string | Goal,
  decomposer: Decomposer,
  steps: StepMap,
  options: ExecuteGoalOptions = {},
): Promise<GoalResult> {
  const { database, logger, workers, llm, ...goalOptions } = options;
  const gp = await Goalpost.open({ database, logger, workers, llm });
  try {
    return await gp.executeGoal(goal, decomposer, steps, goalOptions);
  } finally {
    await gp.close();
  }
}
