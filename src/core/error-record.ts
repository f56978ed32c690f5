import {
  type ErrorCode,
  type FailedTask,
  GoalpostError,
  type GraphIssue,
  InvalidGraphError,
  isGoalpostError,
} from "./errors.ts";
import { toJson } from "./json.ts";

/** An error as it is stored. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  /** The name of the error's class, if it was not one of ours. */
  readonly name?: string;
  readonly stack?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Only where it is not what the code says. */
  readonly retryable?: boolean;
  /** The task that failed, when the error ended a run. */
  readonly task?: FailedTask | null;
}

const STACK_LINES = 12;

/** What is kept of anything thrown. An error that is not ours gets `code` (default STEP_FAILED). */
export function toErrorRecord(error: unknown, code: ErrorCode = "STEP_FAILED"): ErrorRecord {
  if (isGoalpostError(error)) {
    return {
      code: error.code,
      message: error.message,
      ...(canBeStored(error.details) && { details: error.details }),
      ...(!error.retryable && { retryable: false }),
    };
  }
  if (error instanceof Error) {
    const stack = String(error.stack ?? "")
      .split("\n")
      .slice(0, STACK_LINES)
      .join("\n");
    const name = String(error.name);
    return { code, message: String(error.message) || name, name, ...(stack && { stack }) };
  }
  return { code, message: `something that is not an Error was thrown: ${describe(error)}` };
}

/** An error is kept whatever its details hold: what JSON cannot is left out. */
function canBeStored(details: unknown): details is Readonly<Record<string, unknown>> {
  try {
    toJson(details, "details are");
    return details !== undefined;
  } catch {
    return false;
  }
}

function describe(value: unknown): string {
  try {
    return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** The error that a record stands for. */
export function fromErrorRecord(record: ErrorRecord): GoalpostError {
  if (record.code === "INVALID_GRAPH" && Array.isArray(record.details?.issues)) {
    return new InvalidGraphError(record.details.issues as GraphIssue[]);
  }
  const { details, retryable } = record;
  const error = new GoalpostError(record.code, record.message, {
    ...(details && { details }),
    ...(retryable !== undefined && { retryable }),
  });
  if (record.stack) {
    error.stack = record.stack;
  }
  return error;
}
