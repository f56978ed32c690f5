import { GoalpostError, isGoalpostError } from "../core/errors.ts";
import type { DecomposeContext, Decomposer, Goal, StepInfo } from "../core/goal.ts";
import { isObject } from "../core/json.ts";
import { isStep, type StepMap } from "../core/step.ts";

/**
 * Asks a decomposer for tasks. What they hold is not checked here: `validate` does that.
 * @throws DECOMPOSER_FAILED if it throws, or returns anything but tasks
 */
export async function callDecomposer(
  decomposer: Decomposer,
  goal: Goal,
  ctx: DecomposeContext,
): Promise<readonly unknown[]> {
  let result: unknown;
  try {
    result = await decomposer(goal, ctx);
  } catch (error) {
    if (isGoalpostError(error)) {
      throw error;
    }
    const message = error instanceof Error ? error.message : String(error);
    throw new GoalpostError("DECOMPOSER_FAILED", `the decomposer threw: ${message}`, { cause: error });
  }
  const tasks = isObject(result) ? result.tasks : result;
  if (Array.isArray(tasks)) {
    return tasks;
  }
  // Another try would return the like.
  throw new GoalpostError(
    "DECOMPOSER_FAILED",
    `the decomposer returned ${kindOf(result)}; it must return an array of tasks or { tasks: [...] }`,
    { retryable: false },
  );
}

function kindOf(value: unknown): string {
  if (typeof value === "string") {
    return `a text of ${value.length} characters`;
  }
  if (isObject(value)) {
    return `an object with ${Object.keys(value).slice(0, 10).join(", ") || "nothing in it"}`;
  }
  return value === null || value === undefined ? String(value) : `a ${typeof value}`;
}

/** What a decomposer is told of the steps. Schemas are turned into JSON Schema. */
export async function describeSteps(steps: StepMap): Promise<StepInfo[]> {
  const entries = Object.entries(steps);
  if (!entries.some(([, step]) => isStep(step))) {
    return entries.map(([name]) => ({ name }));
  }
  const { z } = await import("zod");
  const toSchema = (schema: unknown, io: "input" | "output"): Record<string, unknown> | undefined =>
    schema === undefined ? undefined : z.toJSONSchema(schema as never, { io, unrepresentable: "any" });
  return entries.map(([name, step]): StepInfo => {
    if (!isStep(step)) {
      return { name };
    }
    const outputSchema = toSchema(step.output, "output");
    return {
      name,
      description: step.description,
      argsSchema: toSchema(step.args, "input") ?? {},
      ...(outputSchema && { outputSchema }),
    };
  });
}
