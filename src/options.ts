import { createHash } from "node:crypto";
import { checkBudget } from "./core/budget.ts";
import { GoalpostError } from "./core/errors.ts";
import { DEFAULT_LIMITS, type Goal, type GraphLimits } from "./core/goal.ts";
import { canonicalJson, isObject, isStorableText, type Json, toJson } from "./core/json.ts";
import type { Budget } from "./core/llm.ts";
import { checkName } from "./core/names.ts";
import type { OptimizeLevel } from "./core/optimizer.ts";
import { check, checkOneOf, checkPolicy } from "./core/policy.ts";
import type { StartRow } from "./engine/protocol.ts";

/** Whole numbers are four bytes wide in the database. */
export const MAX_INT = 2_147_483_647;
/** Times further away than a thousand years are no times. */
const MAX_TIME_MS = 1000 * 365 * 86_400_000;
const MAX_KEY_LENGTH = 512;

/** How a run is started. */
export interface StartOptions {
  /**
   * Names the work: of all starts of a workflow with one key the first starts a run, the others attach to it. They
   * wait for it if its instance is alive, take it over with the functions they were given if it is not, and get its
   * result if it has ended. After a retry the key stands for the run that retries. Default: none.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * "local": this instance carries the run out, with the functions it was given. "distributed": any instance that has
   * registered its code may take its tasks from a queue. Default "local", or "distributed" if `queue` is given.
   */
  readonly execution?: "local" | "distributed" | undefined;
  /** Where the tasks of a distributed run wait. Default "default". */
  readonly queue?: string | undefined;
  /** Milliseconds until the first tasks are ready. Default 0. */
  readonly delayMs?: number | undefined;
  /** Tasks of the run that may run at once, on all instances together. Default: any number. */
  readonly maxParallel?: number | undefined;
  /** Larger is sooner. Default 0. */
  readonly priority?: number | undefined;
  /** Milliseconds after which the run fails with RUN_DEADLINE. Default: none. */
  readonly deadlineMs?: number | undefined;
  /**
   * For lists, sums and budgets. What a child costs is on its parents' labels, too; of two with one key its own counts.
   */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** What the LLM and embedding calls of the run may cost at most. Default: no limit. */
  readonly budget?: Budget | undefined;
  /** Keep what happens to the run, for `gp.runs.events()`. Default: true for goals, false for other workflows. */
  readonly events?: boolean | undefined;
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
  /** The plan waits for `gp.runs.approve` (or `reject`) of task "plan" before anything of it runs. Default false. */
  readonly approvePlan?: boolean | undefined;
  /**
   * What happens when a task has failed for good: the decomposer is asked again, at most `max` times a run, with
   * `ctx.replan` (and `ctx.task` if it is about a compound task). Default: the run fails.
   *
   * Planned again is the smallest compound task around it of which no task outside needs what goes, else the whole plan.
   * What is completed stays, and new tasks may depend on it. What has begun goes on to its end, and the decomposer is
   * asked then; a compound task has begun when one of its tasks has, and goes on as a whole unless it cannot end any
   * more. All else is replaced, and its ids are free again: `gp.runs.get` shows it as "id@v1", with `replacedBy`. The
   * answer may repeat completed tasks as they are, and may be empty if they suffice.
   *
   * The result is that of the plan as it finally was: a completed task is in the output if no task of it waits for that.
   * Should the new plan fail too when `max` is used up, the run fails with the last failure; should it not come about,
   * with the failure that it was to replace.
   *
   * Not planned again are tasks with `onExhausted` "cascade" or "continue", decomposers that fail, and what fails with
   * CANCELLED, RUN_DEADLINE, POISON, BUDGET_EXCEEDED or REJECTED. A run that retries another has `max` again.
   */
  readonly replan?: { readonly on: "failure"; readonly max: number } | undefined;
  /**
   * If the last run of this goal in this database did not end, or was interrupted, go on with what it finished
   * instead of starting afresh. Default false.
   */
  readonly resume?: boolean | undefined;
  /**
   * How much of what past runs taught is used when the plan joins the run; `gp.learning.explain(runId)` says what. "basic":
   * nothing but what needs no statistics. "advanced": the order of tasks and of runs, timeouts where nobody set one,
   * errors after which a retry never helped, and order between tasks whose declared effects allow it. "aggressive": also
   * what a search finds. Data dependencies stay as they are. Default "basic".
   */
  readonly optimize?: OptimizeLevel | undefined;
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
  check(options.deadlineMs, { what: "deadlineMs", least: 1, most: MAX_TIME_MS });
  check(options.delayMs, { what: "delayMs", least: 0, most: MAX_TIME_MS });
  check(options.maxParallel, { what: "maxParallel", least: 1, most: MAX_INT, whole: true });
  const { priority = 0 } = options;
  if (!Number.isInteger(priority) || Math.abs(priority) > MAX_INT) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `priority is ${priority}; it must be a whole number up to ${MAX_INT}, larger is sooner`,
    );
  }
  checkPlace(options);
  checkKey(options.idempotencyKey);
  checkLabels(options.labels);
  checkBudget(options.budget, "budget");
}

function checkPlace({ execution, queue }: StartOptions): void {
  if (execution !== undefined && execution !== "local" && execution !== "distributed") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `execution is ${JSON.stringify(execution)}; it must be "local" or "distributed"`,
    );
  }
  if (queue !== undefined) {
    checkName(queue, "queue");
    if (execution === "local") {
      throw new GoalpostError(
        "INVALID_INPUT",
        `a local run waits in no queue: leave out queue "${queue}", or say execution: "distributed"`,
      );
    }
  }
}

function checkKey(key: unknown): void {
  if (key === undefined) {
    return;
  }
  if (!isStorableText(key) || key === "" || key.length > MAX_KEY_LENGTH) {
    const given = typeof key === "string" ? `has ${key.length} characters` : `is a ${typeof key}`;
    throw new GoalpostError(
      "INVALID_INPUT",
      `idempotencyKey ${given}; it must be a well-formed text of 1 to ${MAX_KEY_LENGTH} characters without \\u0000`,
    );
  }
}

function checkLabels(labels: unknown): void {
  if (labels !== undefined && !(isObject(labels) && Object.entries(labels).flat().every(isStorableText))) {
    throw new GoalpostError(
      "INVALID_INPUT",
      'labels must be an object of well-formed texts without \\u0000, such as { customer: "acme" }',
    );
  }
}

/** The fields of a start that come from the options as they are. */
export function toStartFields(
  options: StartOptions,
): Required<
  Pick<
    StartRow,
    "priority" | "deadlineMs" | "labels" | "idempotencyKey" | "maxParallel" | "delayMs" | "budget"
  >
> {
  return {
    priority: options.priority ?? 0,
    deadlineMs: options.deadlineMs ?? null,
    labels: options.labels ?? null,
    budget: options.budget ?? null,
    idempotencyKey: options.idempotencyKey ?? null,
    maxParallel: options.maxParallel ?? null,
    delayMs: options.delayMs ?? 0,
  };
}

/** @throws INVALID_INPUT if an option is out of range */
export function checkGoalOptions(options: GoalOptions): GraphLimits {
  checkStartOptions(options);
  check(options.maxDepth, { what: "maxDepth", least: 1, whole: true });
  check(options.maxTasks, { what: "maxTasks", least: 1, whole: true });
  check(options.maxWidth, { what: "maxWidth", least: 1, whole: true });
  checkPolicy({ timeoutMs: options.planTimeoutMs }, "planTimeoutMs");
  checkApprovePlan(options.approvePlan);
  checkReplan(options.replan);
  checkOneOf(options.optimize, { what: "optimize", allowed: ["basic", "advanced", "aggressive"] });
  return {
    maxDepth: options.maxDepth ?? DEFAULT_LIMITS.maxDepth,
    maxTasks: options.maxTasks ?? DEFAULT_LIMITS.maxTasks,
    maxWidth: options.maxWidth ?? DEFAULT_LIMITS.maxWidth,
  };
}

function checkApprovePlan(approvePlan: unknown): void {
  if (approvePlan !== undefined && typeof approvePlan !== "boolean") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `approvePlan is ${JSON.stringify(approvePlan) ?? String(approvePlan)}; it must be true or false`,
    );
  }
}

function checkReplan(replan: unknown): void {
  if (replan === undefined) {
    return;
  }
  if (!isObject(replan) || replan.on !== "failure") {
    const given = isObject(replan)
      ? `replan.on is ${JSON.stringify(replan.on)}`
      : `replan is a ${typeof replan}`;
    throw new GoalpostError("INVALID_INPUT", `${given}; write replan: { on: "failure", max: 3 }`);
  }
  check((replan.max as number | undefined) ?? Number.NaN, {
    what: "replan.max",
    least: 1,
    most: MAX_INT,
    whole: true,
  });
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
    .update(canonicalJson([goal.text, goal.context ?? null]))
    .digest("hex");
}

/** Tells inputs apart: equal values have equal hashes, whatever the order of their keys. `text` is JSON. */
export function hashInput(text: string): string {
  return createHash("sha256")
    .update(canonicalJson(JSON.parse(text)))
    .digest("hex");
}
