import { createHash } from "node:crypto";
import { GoalpostError } from "./core/errors.ts";
import { DEFAULT_LIMITS, type Goal, type GraphLimits } from "./core/goal.ts";
import { isObject, type Json, toJson } from "./core/json.ts";
import { checkName } from "./core/names.ts";
import { check, checkPolicy } from "./core/policy.ts";

/** Priorities are four bytes wide in the database. */
const MAX_PRIORITY = 2_147_483_647;

/** How a run is started. */
export interface StartOptions {
  /** Larger is sooner. Default 0. */
  readonly priority?: number | undefined;
  /** Milliseconds after which the run fails with RUN_DEADLINE. Default: none. */
  readonly deadlineMs?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /**
   * Who carries it out: "local", this client; "distributed", any worker that serves the queue and has registered the
   * code. Default: "distributed" if a queue is named, else "local".
   */
  readonly execution?: "local" | "distributed" | undefined;
  /** The queue of a distributed run. Default "default". */
  readonly queue?: string | undefined;
  /** On execute…: aborting cancels the run. */
  readonly signal?: AbortSignal | undefined;
}

/** How a goal is planned and run. */
export interface GoalOptions extends StartOptions {
  /** Levels of nesting. Default 5. */
  readonly maxDepth?: number | undefined;
  /** Tasks in all, inclusive. Default 10,000. */
  readonly maxTasks?: number | undefined;
  /** Tasks that could run at once. Default 10,000. */
  readonly maxWidth?: number | undefined;
  /** Milliseconds that one try of planning may take. Default 120,000. */
  readonly planTimeoutMs?: number | undefined;
  /**
   * If the last run of this goal in this database did not end, or was interrupted, go on with what it finished
   * instead of starting afresh. Default false.
   */
  readonly resume?: boolean | undefined;
}

/** How several goals are run. */
export interface ComposeOptions extends GoalOptions {
  /** False: one after the other. Default true. */
  readonly parallel?: boolean | undefined;
}

/** How a ready-made graph is run. */
export interface GraphOptions extends Omit<GoalOptions, "resume" | "planTimeoutMs"> {
  /** What the graph is for; steps read it as `run.goal`. Default: the descriptions of the tasks at the top. */
  readonly goal?: string | Goal | undefined;
}

/** @throws INVALID_INPUT if an option is out of range */
export function checkStartOptions(options: StartOptions): void {
  check(options.deadlineMs, { what: "deadlineMs", least: 1 });
  const { priority = 0 } = options;
  if (!Number.isInteger(priority) || Math.abs(priority) > MAX_PRIORITY) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `priority is ${priority}; it must be a whole number up to ${MAX_PRIORITY}, larger is sooner`,
    );
  }
  checkPlace(options);
  if (
    options.labels !== undefined &&
    !(isObject(options.labels) && Object.values(options.labels).every((value) => typeof value === "string"))
  ) {
    throw new GoalpostError(
      "INVALID_INPUT",
      'labels must be an object of texts, such as { customer: "acme" }',
    );
  }
}

function checkPlace({ execution, queue }: StartOptions): void {
  if (execution !== undefined && execution !== "local" && execution !== "distributed") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `execution is ${JSON.stringify(execution)}; it must be "local" or "distributed"`,
    );
  }
  if (queue === undefined) {
    return;
  }
  checkName(queue, "queue");
  if (execution === "local") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `a local run waits in no queue; leave queue "${queue}" out, or ask for execution: "distributed"`,
    );
  }
}

/** @throws INVALID_INPUT if an option is out of range */
export function checkGoalOptions(options: GoalOptions): GraphLimits {
  checkStartOptions(options);
  check(options.maxDepth, { what: "maxDepth", least: 1, whole: true });
  check(options.maxTasks, { what: "maxTasks", least: 1, whole: true });
  check(options.maxWidth, { what: "maxWidth", least: 1, whole: true });
  checkPolicy({ timeoutMs: options.planTimeoutMs }, "planTimeoutMs");
  return {
    maxDepth: options.maxDepth ?? DEFAULT_LIMITS.maxDepth,
    maxTasks: options.maxTasks ?? DEFAULT_LIMITS.maxTasks,
    maxWidth: options.maxWidth ?? DEFAULT_LIMITS.maxWidth,
  };
}

/** @throws INVALID_INPUT for anything but a text or { text, context? } with a text that is not empty */
export function readGoal(goal: unknown): Goal {
  const full = typeof goal === "string" ? { text: goal } : goal;
  if (!isObject(full) || typeof full.text !== "string" || full.text.trim() === "") {
    throw new GoalpostError(
      "INVALID_INPUT",
      "a goal is a text, or { text, context? }, and the text is not empty",
    );
  }
  const context = full.context;
  if (context === undefined) {
    return { text: full.text };
  }
  return { text: full.text, context: JSON.parse(inputToJson(context, "the goal's context is")) as Json };
}

/** The JSON text of something given to a run. @throws INVALID_INPUT if JSON cannot hold it */
export function inputToJson(value: unknown, what: string): string {
  try {
    return toJson(value, what);
  } catch (error) {
    throw new GoalpostError("INVALID_INPUT", error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

/** Tells goals apart: equal texts and contexts have equal hashes. */
export function hashGoal(goal: Goal): string {
  return createHash("sha256")
    .update(JSON.stringify([goal.text, goal.context ?? null]))
    .digest("hex");
}
