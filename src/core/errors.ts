/** Every code that a {@link GoalpostError} can carry. The README lists what each one means. */
export type ErrorCode =
  | "INVALID_GRAPH"
  | "DECOMPOSER_FAILED"
  | "RUN_FAILED"
  | "RUN_NOT_FOUND"
  | "FLOW_NOT_FOUND"
  | "INVALID_STATE"
  | "INVALID_INPUT"
  | "STEP_FAILED"
  | "STEP_TIMEOUT"
  | "RUN_DEADLINE"
  | "WAIT_TIMEOUT"
  | "OUTPUT_NOT_JSON"
  | "OUTPUT_TOO_LARGE"
  | "TYPE_VIOLATION"
  | "CANCELLED"
  | "REJECTED"
  | "LEASE_LOST"
  | "POISON"
  | "DATABASE_BUSY"
  | "DATABASE_AHEAD"
  | "DATABASE_UNAVAILABLE"
  | "DATABASE_REFUSED"
  | "BUDGET_EXCEEDED"
  | "PROVIDER_ERROR"
  | "NO_PROVIDER"
  | "RESPONSE_INVALID"
  | "RESPONSE_REFUSED"
  | "UNKNOWN_AGENT"
  | "VECTOR_UNAVAILABLE"
  | "CLOSED";

/** What is wrong at one place of a task graph. */
export type GraphIssueCode =
  | "DUPLICATE_ID"
  | "EMPTY_ID"
  | "INVALID_ID"
  | "INVALID_TASK"
  | "SELF_DEPENDENCY"
  | "UNKNOWN_DEPENDENCY"
  | "CYCLE"
  | "UNKNOWN_STEP"
  | "DANGLING_REF"
  | "INVALID_ARGS"
  | "TOO_DEEP"
  | "TOO_LARGE"
  | "TOO_WIDE"
  | "EMPTY_GRAPH"
  | "DEAD_TASK"
  | "UNUSED_STEP";

/** One problem (or, in {@link ValidTaskGraph.warnings}, one oddity) of a task graph. */
export interface GraphIssue {
  readonly code: GraphIssueCode;
  /** What was given, what is allowed, what to do. */
  readonly message: string;
  readonly taskId?: string;
  /** Where in the task: `args.query`, `dependsOn[1]`. */
  readonly path?: string;
  /** The ids along one real cycle; the first is repeated at the end. */
  readonly cycle?: readonly string[];
}

const BRAND = Symbol.for("goalpost.error");

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Facts that belong to the code, kept when the error is stored. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Whether a task that failed with it is worth another try. Default: by the code. */
  readonly retryable?: boolean;
}

/** Codes that another try would meet again. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  "INVALID_GRAPH",
  "INVALID_INPUT",
  "INVALID_STATE",
  "OUTPUT_NOT_JSON",
  "OUTPUT_TOO_LARGE",
  "TYPE_VIOLATION",
  "REJECTED",
  "BUDGET_EXCEEDED",
  "NO_PROVIDER",
  "RESPONSE_INVALID",
  "RESPONSE_REFUSED",
  "UNKNOWN_AGENT",
  "VECTOR_UNAVAILABLE",
]);

/** The one error of this library: a stable {@link ErrorCode} and a sentence that says what to do. */
export class GoalpostError extends Error {
  override readonly name: string = "GoalpostError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.retryable = options.retryable ?? !PERMANENT.has(code);
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** True for a GoalpostError of this or of another copy of the library. */
export function isGoalpostError(error: unknown): error is GoalpostError {
  return typeof error === "object" && error !== null && BRAND in error;
}

/** A task graph that cannot be run; `issues` lists every problem at once. */
export class InvalidGraphError extends GoalpostError {
  override readonly name = "InvalidGraphError";
  readonly issues: readonly GraphIssue[];

  constructor(issues: readonly GraphIssue[]) {
    super("INVALID_GRAPH", describeIssues(issues), { details: { issues } });
    this.issues = issues;
  }
}

const ISSUES_IN_MESSAGE = 10;

function describeIssues(issues: readonly GraphIssue[]): string {
  const shown = issues.slice(0, ISSUES_IN_MESSAGE).map((issue) => `\n  ${issue.code}: ${issue.message}`);
  const rest = issues.length - shown.length;
  const count = issues.length === 1 ? "1 problem" : `${issues.length} problems`;
  return `the task graph has ${count}:${shown.join("")}${rest > 0 ? `\n  and ${rest} more` : ""}`;
}

/** The task that a run failed with. */
export interface FailedTask {
  readonly id: string;
  readonly step: string;
  /** Which try it was, from 1. */
  readonly attempt: number;
}

/**
 * A run that ended as failed or cancelled. `cause` is a {@link GoalpostError} with the reason's code;
 * `failedTask` is null when no task failed (planning, a deadline, a cancellation).
 */
export class RunFailedError extends GoalpostError {
  override readonly name = "RunFailedError";
  readonly runId: string;
  readonly failedTask: FailedTask | null;
  declare readonly cause: GoalpostError;

  constructor(runId: string, failedTask: FailedTask | null, cause: GoalpostError) {
    const where = failedTask
      ? ` at task "${failedTask.id}" (step "${failedTask.step}", attempt ${failedTask.attempt})`
      : "";
    const verb = cause.code === "CANCELLED" ? "was cancelled" : "failed";
    super("RUN_FAILED", `run ${runId} ${verb}${where}: ${cause.code}: ${cause.message}`, { cause });
    this.runId = runId;
    this.failedTask = failedTask;
  }
}

/** Thrown by a step to say that trying again is of no use: the task fails at once. */
export class NonRetryableError extends GoalpostError {
  override readonly name = "NonRetryableError";
  constructor(message: string, options: ErrorOptions = {}) {
    super("STEP_FAILED", message, { ...options, retryable: false });
  }
}

/** Thrown by a step to choose when it is tried again. It counts as a failed attempt. */
export class RetryAfterError extends GoalpostError {
  override readonly name = "RetryAfterError";
  /** Milliseconds until the next attempt. */
  readonly retryAfterMs: number;
  constructor(
    retryAfterMs: number,
    message = `asked to be tried again in ${retryAfterMs} ms`,
    options: ErrorOptions = {},
  ) {
    super("STEP_FAILED", message, options);
    if (!Number.isFinite(retryAfterMs) || retryAfterMs < 0) {
      throw new GoalpostError("INVALID_INPUT", `RetryAfterError takes milliseconds ≥ 0, not ${retryAfterMs}`);
    }
    this.retryAfterMs = retryAfterMs;
  }
}
