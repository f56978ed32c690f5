import type { Decomposer, Goal } from "../core/goal.ts";
import type { GoalResult, RunResult } from "../core/results.ts";
import type { ChildGoalOptions, ChildOptions, StepMap } from "../core/step.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import type { FinishedRun, StartRow } from "./protocol.ts";

/** What a step starts with ctx.executeGoal. */
export interface ChildGoal {
  readonly goal: string | Goal;
  readonly decomposer: Decomposer | undefined;
  readonly steps: StepMap | undefined;
  readonly options: ChildGoalOptions;
}

/** Makes the runs that steps start and wait for. */
export interface ChildRuns {
  /** The run as it is stored; its code is bound here. @throws INVALID_INPUT */
  prepareWorkflow(
    runId: string,
    child: { readonly workflow: AnyWorkflow; readonly input: unknown; readonly options: ChildOptions },
  ): Promise<StartRow>;
  /** The run as it is stored; its code is bound here. @throws INVALID_INPUT */
  prepareGoal(runId: string, child: ChildGoal): Promise<StartRow>;
  /** @throws RunFailedError, not to be retried: the outcome is the same every time */
  workflowResult(run: FinishedRun): Promise<RunResult<unknown>>;
  /** @throws RunFailedError, not to be retried: the outcome is the same every time */
  goalResult(run: FinishedRun): Promise<GoalResult>;
}
