import { fromErrorRecord } from "./core/error-record.ts";
import { GoalpostError, RunFailedError } from "./core/errors.ts";
import type { Goal, TaskSpec, ValidTaskGraph } from "./core/goal.ts";
import type { Json } from "./core/json.ts";
import type { Usage } from "./core/usage.ts";
import type { FinishedRun } from "./engine/protocol.ts";
import type { WaitOptions } from "./run-watch.ts";
import type { RunSummary } from "./store/runs.ts";

/** What a finished run of a workflow returns. */
export interface RunResult<Output> {
  readonly runId: string;
  /** The outputs of the leaves by name. */
  readonly output: Output;
  readonly usage: Usage;
}

/** What a finished run of a flow returns. */
export type FlowResult = RunResult<Readonly<Record<string, Json>>>;

/** What a finished run of a goal returns. */
export interface GoalResult {
  readonly runId: string;
  readonly status: "completed";
  readonly goal: Goal;
  /** The graph as it was planned. */
  readonly graph: ValidTaskGraph;
  /** The output of every task by id. */
  readonly outputs: Readonly<Record<string, Json>>;
  /** The outputs of the leaves by id. */
  readonly output: Readonly<Record<string, Json>>;
  readonly usage: Usage;
  readonly durationMs: number;
}

/** How one of several goals ended. */
export type ComposedResult = GoalResult | { readonly status: "failed"; readonly error: GoalpostError };

/** How far a run is. */
export interface Progress {
  readonly status: RunSummary["status"];
  /** Tasks known so far; a graph can grow. */
  readonly totalTasks: number;
  readonly completedTasks: number;
  readonly runningTasks: number;
  readonly failedTasks: number;
  /** 0 to 100: finished tasks of all known; 100 only when the run is completed. */
  readonly percentage: number;
}

/** A run that was started. */
export interface RunHandle<Result> {
  readonly runId: string;
  /**
   * Waits for the end.
   * @throws RunFailedError if the run fails or is cancelled; WAIT_TIMEOUT, CLOSED, or the signal's reason
   */
  result(options?: WaitOptions): Promise<Result>;
  progress(): Promise<Progress>;
  /** Cancels the run; false if it had ended already. */
  cancel(reason?: string): Promise<boolean>;
}

/** A goal that was started. */
export interface GoalHandle extends RunHandle<GoalResult> {
  /** Why this run was not begun now: taken over where a dead process left it, or continued from an interrupted run. */
  readonly resumed: "taken over" | "continued" | null;
}

/** @throws RunFailedError unless the run completed */
export function throwUnlessCompleted(run: FinishedRun): void {
  if (run.status === "completed") {
    return;
  }
  const record = run.error ?? { code: "CANCELLED" as const, message: "the run was cancelled" };
  throw new RunFailedError(run.id, record.task ?? null, fromErrorRecord(record));
}

/** What a decomposer, a plan node or a caller gave as tasks. */
export function tasksOf(graph: unknown): readonly unknown[] {
  const tasks = typeof graph === "object" && graph !== null && "tasks" in graph ? graph.tasks : graph;
  if (!Array.isArray(tasks)) {
    throw new GoalpostError("INVALID_INPUT", "a task graph is an array of tasks or { tasks: [...] }");
  }
  return tasks as readonly TaskSpec[];
}
