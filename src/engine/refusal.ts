import type { ErrorRecord } from "../core/error-record.ts";
import type { GraphIssue } from "../core/errors.ts";
import type { AttemptOptions } from "./attempt-options.ts";
import type { ClaimedTask, Report } from "./protocol.ts";

/** The record that a task fails with when its report is refused; plain, so that it is not refused in turn. */
export function toRefusal(error: unknown): ErrorRecord {
  const message = error instanceof Error ? error.message : String(error);
  if (message.includes("steps_by_name")) {
    const detail = String((error as { cause?: { detail?: unknown } }).cause?.detail ?? "");
    const taskId = /=\((.+), \d+\) /.exec(detail)?.[1] ?? "";
    const sentence = `task id "${taskId}" is taken by another task of this run; begin ids with the id of the task that is decomposed`;
    const issues: GraphIssue[] = [{ code: "DUPLICATE_ID", message: sentence, taskId }];
    return { code: "INVALID_GRAPH", message: sentence, details: { issues }, task: null };
  }
  return { code: "DATABASE_REFUSED", message: message.slice(0, 500), task: null };
}

/** That a task is given back untouched. */
export function releasedReport(task: ClaimedTask): Report {
  // Nobody may know whether the run has a limit: to say so does no harm.
  return { task, outcome: "released", payload: "null", number: 0, shape: null, extras: true };
}

/** That something around a try went wrong, and its task fails. */
export function brokenReport({ task, run }: Pick<AttemptOptions, "task" | "run">, error: unknown): Report {
  const message = error instanceof Error ? error.message : String(error);
  const payload = JSON.stringify({ code: "STEP_FAILED", message, task: null });
  return { task, outcome: "failed", payload, number: 0, shape: null, extras: run.extras };
}
