import type { Driver } from "./core/driver.ts";
import { fromErrorRecord } from "./core/error-record.ts";
import { RunFailedError } from "./core/errors.ts";
import type { ChildRuns } from "./engine/children.ts";
import type { FinishedRun } from "./engine/protocol.ts";
import type { GoalRuns } from "./goal-runs.ts";
import { failureOf } from "./run-result.ts";
import { usageOf } from "./usage.ts";
import type { WorkflowRuns } from "./workflow-runs.ts";

/** A child's failure is recorded: another try of the parent's step would be told the same. */
class ChildFailedError extends RunFailedError {
  override readonly retryable = false;
}

/** The runs that steps start, made as the client makes its own. */
export function childRuns(
  driver: Driver,
  parts: () => { goals: GoalRuns; workflows: WorkflowRuns },
): ChildRuns {
  return {
    prepareWorkflow: (runId, { workflow, input, options }) =>
      parts().workflows.prepare(workflow, input, { ...options, runId }),
    prepareGoal: async (runId, { goal, decomposer, steps, options }) => {
      const row = await parts().goals.prepare(runId, goal, { decomposer, steps, options, graph: null });
      // A child is not a run of its goal that executeGoal could go on with.
      return { ...row, inputHash: null };
    },
    workflowResult: async (run) => {
      throwUnlessCompleted(run);
      return { runId: run.id, output: run.output, usage: await usageOf(driver, run) };
    },
    goalResult: async (run) => {
      throwUnlessCompleted(run);
      return parts().goals.toResult(run);
    },
  };
}

function throwUnlessCompleted(run: FinishedRun): void {
  if (run.status !== "completed") {
    const record = failureOf(run);
    throw new ChildFailedError(run.id, record.task ?? null, fromErrorRecord(record));
  }
}
