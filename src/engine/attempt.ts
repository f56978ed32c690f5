import { type ErrorRecord, toErrorRecord } from "../core/error-record.ts";
import { GoalpostError, isGoalpostError, RetryAfterError } from "../core/errors.ts";
import { toJson } from "../core/json.ts";
import { retryDelayMs } from "../core/retry.ts";
import { shapeToRows } from "../core/shape.ts";
import type { AttemptOptions } from "./attempt-options.ts";
import { AttemptTimer } from "./attempt-timer.ts";
import type { TaskPolicy, TaskResult } from "./code.ts";
import type { DefinitionNode } from "./definitions.ts";
import { hedged } from "./hedge.ts";
import { checkSize, OneCall, stepOf, type Try } from "./one-call.ts";
import type { Report } from "./protocol.ts";
import { Release } from "./suspension.ts";
import { Waits } from "./waits.ts";

/**
 * Carries out one try of a task and says how it went. The function's promise is left alone once the try is over:
 * what it does after a timeout or an abort changes nothing.
 * @returns undefined if the task is no longer this worker's
 */
export async function carryOut(options: AttemptOptions): Promise<Report | undefined> {
  const { abort, code, task, node } = options;
  const timeoutMs = timeoutOf(code.policy, task.failures + 1);
  const waits = new Waits({ task, taskId: taskIdOf(node), children: options.children });
  let late: GoalpostError | undefined;
  const timer = new AttemptTimer(options.clock, timeoutMs, () => {
    late = timedOut(options, timeoutMs, waits.isHeldUp);
    abort.abort(late);
  });
  const own = { waits, timer };
  try {
    if (code.condition && !(await abort.until(() => isMet(options, own)))) {
      return skip(options);
    }
    const result = await abort.until(() => execute(options, own));
    return waits.suspension ? suspended(options, waits) : complete(options, result);
  } catch (error) {
    const takenAway = abort.aborted && abort.reason !== late;
    if (takenAway) {
      return undefined;
    }
    return waits.suspension ? suspended(options, waits) : fail(options, error);
  } finally {
    timer.stop();
    waits.end();
    if (waits.suspension) {
      // What the function left under way beside the waits is begun again with it.
      abort.abort(waits.suspension);
    }
  }
}

function timeoutOf({ timeoutMs, learnedTimeoutMs, maxAttempts }: TaskPolicy, attempt: number): number {
  if (learnedTimeoutMs === undefined) {
    return timeoutMs;
  }
  return attempt < maxAttempts ? learnedTimeoutMs : Math.max(timeoutMs, learnedTimeoutMs);
}

/** What `when` threw: the task fails at once, and that was no attempt. */
class ConditionError extends Error {}

async function isMet(options: AttemptOptions, own: Try): Promise<boolean> {
  try {
    return Boolean(await options.code.condition?.(new OneCall(options, own, null)));
  } catch (error) {
    throw new ConditionError("when threw", { cause: error });
  }
}

function skip(options: AttemptOptions): Report {
  const { task, node, run } = options;
  const cascades = (node.spec.onSkip ?? "cascade") === "cascade";
  return {
    task,
    outcome: "skipped",
    payload: "null",
    number: cascades ? 1 : 0,
    shape: null,
    extras: run.extras,
    run,
  };
}

async function execute(options: AttemptOptions, own: Try): Promise<TaskResult> {
  const approved = options.code.policy.approval ? await own.waits.approval() : null;
  // Hidden nodes and items have no such event.
  if (options.run.extras && options.node.kind === "step") {
    options.started();
  }
  const { hedgeAfterMs } = options.code.policy;
  return hedgeAfterMs === undefined || options.task.waits.length > 0
    ? options.code.execute(new OneCall(options, own, approved))
    : hedged(options, own, hedgeAfterMs);
}

/** Whatever the function made of its suspension: there is no answer yet that it could have gone on with. */
function suspended({ task, run, node, logger }: AttemptOptions, waits: Waits): Report {
  if (waits.suspension instanceof Release) {
    const { delayMs, reason } = waits.suspension;
    logger.info({ runId: run.id, taskId: node.name, delayMs, reason }, "a task was put back");
    return { task, outcome: "released", payload: "null", number: delayMs, shape: null, extras: run.extras };
  }
  return {
    task,
    outcome: "suspended",
    payload: waits.report(),
    number: 0,
    shape: null,
    // What it starts by that may need more than the usual, too.
    extras: true,
  };
}

function timedOut({ node }: AttemptOptions, timeoutMs: number, heldUp: boolean): GoalpostError {
  if (node.kind === "plan") {
    const message = `the decomposer did not return within ${timeoutMs} ms; raise planTimeoutMs`;
    return new GoalpostError("DECOMPOSER_FAILED", message, { retryable: false });
  }
  return new GoalpostError(
    "STEP_TIMEOUT",
    `step "${stepOf(node)}" of task "${node.name}" did not finish within ${timeoutMs} ms; ` +
      "raise its timeoutMs, or let it stop early when ctx.signal aborts" +
      (heldUp ? ". It waits while a ctx.once is under way: a wait within ctx.once never ends" : ""),
  );
}

function complete(options: AttemptOptions, result: TaskResult): Report {
  const text = toJson(result.output, `step "${stepOf(options.node)}" returned`);
  checkSize(text, options);
  const shape = result.shape ? toJson(shapeToRows(result.shape), "the plan is") : null;
  return {
    task: options.task,
    outcome: "completed",
    payload: text,
    number: 0,
    shape,
    extras: options.run.extras,
    run: options.run,
  };
}

function fail(options: AttemptOptions, thrown: unknown): Report {
  const attempt = options.task.failures + 1;
  const { maxAttempts, retry, finalErrors } = options.code.policy;
  const undecided = thrown instanceof ConditionError;
  const error = undecided ? thrown.cause : thrown;
  const record: ErrorRecord = {
    ...toErrorRecord(error),
    task:
      options.node.kind === "plan" ? null : { id: options.node.name, step: stepOf(options.node), attempt },
  };
  const final = (isGoalpostError(error) && !error.retryable) || finalErrors?.includes(record.code);
  const again = !undecided && attempt < maxAttempts && !final;
  options.logger.warn(
    { runId: options.run.id, taskId: options.node.name, attempt, code: record.code, retry: again },
    "an attempt failed",
  );
  return {
    task: options.task,
    outcome: again ? "retry" : "failed",
    payload: JSON.stringify(record),
    number: again ? delayAfter(error, () => retryDelayMs(retry, attempt, Math.random())) : undecided ? 1 : 0,
    shape: null,
    extras: options.run.extras,
    run: options.run,
  };
}

function delayAfter(error: unknown, otherwise: () => number): number {
  const asked = isGoalpostError(error) && error.name === RetryAfterError.name;
  return asked ? (error as RetryAfterError).retryAfterMs : otherwise();
}

/** The task that a node belongs to: planning is part of the task that is decomposed. */
function taskIdOf({ kind, name, spec }: DefinitionNode): string {
  return kind === "plan" ? (spec.parent ?? "plan") : name;
}
