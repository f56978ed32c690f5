import type { GraphIssue } from "../core/errors.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { findRefs, type Ref } from "../core/refs.ts";
import { isStep, type StepMap } from "../core/step.ts";
import { isCompound, type TaskTree, type TreeTask } from "../core/task-tree.ts";

/**
 * Applies the steps' schemas to the args of a graph's tasks, references left in place. What a reference will become
 * is not known yet, so an issue at, above or below one is dropped; the bound args are parsed when the task starts.
 */
export async function findArgIssues(tree: TaskTree, steps: StepMap): Promise<GraphIssue[]> {
  const issues: GraphIssue[] = [];
  for (const task of tree.tasks) {
    if (!isCompound(task.spec)) {
      issues.push(...(await issuesOf(task, steps)));
    }
  }
  return issues;
}

async function issuesOf({ spec }: TreeTask, steps: StepMap): Promise<GraphIssue[]> {
  const found = (message: string, path: string): GraphIssue => ({
    code: "INVALID_ARGS",
    message,
    taskId: spec.id,
    path,
  });
  const name = spec.step ?? spec.id;
  const step = Object.hasOwn(steps, name) ? steps[name] : undefined;
  if (!isStep(step)) {
    return [];
  }
  const { refs } = findRefs(spec.args);
  try {
    const result = await step.args.safeParseAsync(spec.args ?? {});
    return (result.error?.issues ?? [])
      .filter((issue) => !refs.some((ref) => touches(issue.path, ref)))
      .map((issue) => {
        const path = ["args", ...issue.path.map(String)].join(".");
        return found(`${path} of task "${spec.id}" does not fit step "${name}": ${issue.message}`, path);
      });
  } catch (error) {
    // A refinement that throws: on a reference that proves nothing, on real args it is the schema's answer.
    return refs.length > 0
      ? []
      : [found(`the args of task "${spec.id}" do not fit step "${name}": ${String(error)}`, "args")];
  }
}

function touches(path: readonly PropertyKey[], ref: Ref): boolean {
  return path.every((part, index) => index >= ref.at.length || String(part) === ref.at[index]);
}

/**
 * The args that a step is called with: the schema's output.
 * @throws INVALID_INPUT listing what does not fit
 */
export async function parseArgs(name: string, step: StepMap[string], args: Json): Promise<unknown> {
  if (!isStep(step)) {
    return args;
  }
  const result = await step.args.safeParseAsync(args ?? {});
  if (result.success) {
    return result.data;
  }
  const problems = result.error.issues.map(
    (issue) => `${["args", ...issue.path.map(String)].join(".")}: ${issue.message}`,
  );
  throw new GoalpostError("INVALID_INPUT", `the args do not fit step "${name}": ${problems.join("; ")}`);
}
