import { GoalpostError, isGoalpostError } from "../core/errors.ts";
import type { DecomposeContext, Decomposer, Goal, PlanOrigin, StepInfo } from "../core/goal.ts";
import { isObject, isStorableText } from "../core/json.ts";
import { isStep, type StepMap } from "../core/step.ts";

const MAX_ORIGIN_CHARS = 200;

/** What a decomposer gave. */
export interface Decomposition {
  readonly tasks: readonly unknown[];
  readonly origin: PlanOrigin | undefined;
}

/**
 * Asks a decomposer for tasks. What they hold is not checked here: `validate` does that.
 * @throws DECOMPOSER_FAILED if it throws, or returns anything but tasks
 */
export async function callDecomposer(
  decomposer: Decomposer,
  goal: Goal,
  ctx: DecomposeContext,
): Promise<Decomposition> {
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
    return { tasks, origin: isObject(result) ? readOrigin(result.origin) : undefined };
  }
  // Another try would return the like.
  throw new GoalpostError(
    "DECOMPOSER_FAILED",
    `the decomposer returned ${kindOf(result)}; it must return an array of tasks or { tasks: [...] }`,
    { retryable: false },
  );
}

/** Only what it is meant to hold is kept: it is shown, and stored with every plan. */
function readOrigin(value: unknown): PlanOrigin | undefined {
  if (!isObject(value) || !isShort(value.by)) {
    return undefined;
  }
  const { by, model, promptSha256, repairs } = value;
  return {
    by,
    ...(isShort(model) && { model }),
    ...(isShort(promptSha256) && { promptSha256 }),
    ...(Number.isInteger(repairs) && { repairs: repairs as number }),
  };
}

function isShort(value: unknown): value is string {
  return isStorableText(value) && value.length <= MAX_ORIGIN_CHARS;
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
