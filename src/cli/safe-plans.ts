import { type DecomposeContext, type Decomposer, GoalpostError, type TaskSpec } from "../index.ts";

/**
 * Holds a decomposer to some of the app's steps: it is told of no others, and a plan that names another is refused. The
 * others are for goals that somebody typed; a plan may be written by a model that has read a stranger's text.
 */
export function keepToSteps(decomposer: Decomposer, names: readonly string[]): Decomposer {
  const allowed = new Set(names);
  return async (goal, ctx) => {
    const hidden = new Set(ctx.steps.map(({ name }) => name).filter((name) => !allowed.has(name)));
    const { stream } = ctx;
    const narrowed: DecomposeContext = {
      ...ctx,
      steps: ctx.steps.filter(({ name }) => allowed.has(name)),
      ...(stream && {
        stream: async (tasks) => {
          refuseHidden(tasks, hidden);
          await stream(tasks);
        },
      }),
    };
    const plan = await decomposer(goal, narrowed);
    refuseHidden("tasks" in plan ? plan.tasks : plan, hidden);
    return plan;
  };
}

function refuseHidden(tasks: readonly TaskSpec[], hidden: ReadonlySet<string>): void {
  const left = [...tasks];
  for (let task = left.pop(); task !== undefined; task = left.pop()) {
    // A task that holds others, or is yet to be taken apart, calls no step by its id.
    const step = task.step ?? (task.subtasks || task.decompose ? undefined : task.id);
    if (step !== undefined && hidden.has(step)) {
      throw new GoalpostError(
        "DECOMPOSER_FAILED",
        `the plan gives task "${task.id}" to step "${step}", which is not for plans`,
        { retryable: false },
      );
    }
    left.push(...(task.subtasks ?? []));
  }
}
