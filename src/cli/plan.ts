import { type Prediction, predict, renderMermaid, renderTree, type ValidTaskGraph } from "../index.ts";
import { describePrediction } from "./describe-prediction.ts";
import { EXIT } from "./report-error.ts";
import { type GoalCommandOptions, withApp } from "./session.ts";

export interface PlanOptions extends GoalCommandOptions {
  readonly mermaid?: boolean;
}

/** `goalpost plan`: prints the task graph of a goal and runs nothing; returns the exit code. */
export async function planGoal(goal: string, options: PlanOptions): Promise<number> {
  return withApp(options, false, async ({ gp, app, budget }) => {
    const graph = await gp.decomposeGoal(goal, app.decomposer, app.steps, { budget });
    for (const warning of graph.warnings) {
      process.stderr.write(`warning: ${warning.message} [${warning.code}]\n`);
    }
    const prediction = predict(graph, await gp.learning.ofSteps(Object.keys(app.steps ?? {})));
    process.stdout.write(`${render(graph, { ...options, prediction })}\n`);
    if (!options.json && !options.mermaid) {
      const levels = graph.depth === 1 ? "1 level" : `${graph.depth} levels`;
      process.stdout.write(
        `${graph.taskCount} tasks, ${levels}, at most ${graph.width} at once; nothing was run\n`,
      );
      process.stdout.write(describePrediction(prediction));
    }
    return EXIT.done;
  });
}

function render(
  graph: ValidTaskGraph,
  { prediction, ...options }: PlanOptions & { readonly prediction: Prediction },
): string {
  if (options.json) {
    return JSON.stringify({ ...graph, prediction }, null, 2);
  }
  return options.mermaid ? renderMermaid(graph.tasks) : renderTree(graph.tasks);
}
