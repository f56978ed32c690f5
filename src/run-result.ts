import type { Driver } from "./core/driver.ts";
import { type ErrorRecord, fromErrorRecord } from "./core/error-record.ts";
import { GoalpostError, RunFailedError } from "./core/errors.ts";
import type { TaskSpec } from "./core/goal.ts";
import type { Json } from "./core/json.ts";
import type { GoalResult, RunResult } from "./core/results.ts";
import type { FinishedRun } from "./engine/protocol.ts";
import type { EventsOptions } from "./run-events.ts";
import type { WaitOptions } from "./run-watch.ts";
import type { RunEvent } from "./store/events.ts";
import type { RunSummary } from "./store/runs.ts";
import { usageOf } from "./usage.ts";

export type { GoalResult, RunResult } from "./core/results.ts";

/** What a finished run of a flow returns. */
export type FlowResult = RunResult<Readonly<Record<string, Json>>>;

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
  readonly skippedTasks: number;
  readonly cancelledTasks: number;
  /** What is left, and not running: it waits for dependencies, for a worker, or for whatever it asked to wait for. */
  readonly waitingTasks: number;
  /**
   * 0 to 100, and never less than before: a task that is decomposed late is as much as it was, its subtasks share
   * that, and so do the items of a map. 100 only when the run is completed.
   */
  readonly percentage: number;
}

/** A run that was started. */
export interface RunHandle<Result> {
  readonly runId: string;
  /** True if the run was there already, and this call only waits for it, or takes it over. */
  readonly attached: boolean;
  /**
   * Waits for the end.
   * @throws RunFailedError if the run fails or is cancelled; WAIT_TIMEOUT, CLOSED, or the signal's reason
   */
  result(options?: WaitOptions): Promise<Result>;
  progress(): Promise<Progress>;
  /** What happens to the run: see `gp.runs.events`. */
  events(options?: EventsOptions): AsyncGenerator<RunEvent, void, undefined>;
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
  const record = failureOf(run);
  throw new RunFailedError(run.id, record.task ?? null, fromErrorRecord(record));
}

/** Why a run did not complete. */
export function failureOf(run: FinishedRun): ErrorRecord {
  return run.error ?? { code: "CANCELLED", message: "the run was cancelled" };
}

/** What a decomposer, a plan node or a caller gave as tasks. */
export function tasksOf(graph: unknown): readonly unknown[] {
  const tasks = typeof graph === "object" && graph !== null && "tasks" in graph ? graph.tasks : graph;
  if (!Array.isArray(tasks)) {
    throw new GoalpostError("INVALID_INPUT", "a task graph is an array of tasks or { tasks: [...] }");
  }
  return tasks as readonly TaskSpec[];
}

/** @throws RunFailedError unless the run completed */
export async function toRunResult<O>(driver: Driver, run: FinishedRun): Promise<RunResult<O>> {
  throwUnlessCompleted(run);
  return { runId: run.id, output: run.output as O, usage: await usageOf(driver, run) };
}
