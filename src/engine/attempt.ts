import { NO_AGENTS } from "../core/agent.ts";
import type { Clock } from "../core/clock.ts";
import { type ErrorRecord, toErrorRecord } from "../core/error-record.ts";
import { GoalpostError, isGoalpostError, RetryAfterError } from "../core/errors.ts";
import { type Json, toJson } from "../core/json.ts";
import type { Logger } from "../core/logger.ts";
import { checkProgress, type TaskProgress } from "../core/progress.ts";
import { retryDelayMs } from "../core/retry.ts";
import { shapeToRows } from "../core/shape.ts";
import type { ChildRuns } from "./children.ts";
import type { TaskCall, TaskCode, TaskResult } from "./code.ts";
import type { DefinitionNode } from "./definitions.ts";
import { ProgressNotes } from "./progress-notes.ts";
import type { ClaimedTask, Report, RunInfo } from "./protocol.ts";
import { Waits } from "./waits.ts";

export interface AttemptOptions {
  readonly task: ClaimedTask;
  readonly run: RunInfo;
  readonly node: DefinitionNode;
  readonly inputs: Readonly<Record<string, Json>>;
  readonly code: TaskCode;
  /** Aborted by the worker (cancellation, its own end), and here when the time is up. */
  readonly abort: AbortController;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxOutputBytes: number;
  readonly children: ChildRuns;
  readonly send: TaskCall["send"];
  readonly agents?: TaskCall["agents"] | undefined;
  readonly storeProgress: (progress: TaskProgress) => Promise<void>;
  /** Stores a checkpoint; resolves to a status if the task is no longer held. */
  readonly mark: (key: string, value: string) => Promise<string | null>;
  /** Notes that the function begins. */
  readonly started: () => void;
}

/**
 * Carries out one try of a task and says how it went. The function's promise is left alone once the try is over:
 * what it does after a timeout or an abort changes nothing.
 * @returns undefined if the task is no longer this worker's
 */
export async function carryOut(options: AttemptOptions): Promise<Report | undefined> {
  const { abort, code, task, node } = options;
  const { timeoutMs } = code.policy;
  const waits = new Waits({ task, taskId: taskIdOf(node), children: options.children });
  let late: GoalpostError | undefined;
  const stopTimer = options.clock.timer(timeoutMs, () => {
    late = timedOut(options, timeoutMs, waits.isHeldUp);
    abort.abort(late);
  });
  try {
    if (code.condition && !(await untilAborted(() => isMet(options, waits), abort.signal))) {
      return skip(options);
    }
    const result = await untilAborted(() => execute(options, waits), abort.signal);
    return waits.suspension ? suspended(options, waits) : complete(options, result);
  } catch (error) {
    const takenAway = abort.signal.aborted && abort.signal.reason !== late;
    if (takenAway) {
      return undefined;
    }
    return waits.suspension ? suspended(options, waits) : fail(options, error);
  } finally {
    stopTimer();
    waits.end();
    if (waits.suspension) {
      // What the function left under way beside the waits is begun again with it.
      abort.abort(waits.suspension);
    }
  }
}

/** What `when` threw: the task fails at once, and that was no attempt. */
class ConditionError extends Error {}

async function isMet(options: AttemptOptions, waits: Waits): Promise<boolean> {
  try {
    return Boolean(await options.code.condition?.(makeCall(options, { waits, approved: null })));
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

async function execute(options: AttemptOptions, waits: Waits): Promise<TaskResult> {
  const approved = options.code.policy.approval ? await waits.approval() : null;
  // Hidden nodes and items have no such event.
  if (options.run.extras && options.node.kind === "step") {
    options.started();
  }
  return options.code.execute(makeCall(options, { waits, approved }));
}

/** Whatever the function made of its suspension: there is no answer yet that it could have gone on with. */
function suspended({ task }: AttemptOptions, waits: Waits): Report {
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

function untilAborted<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    // While the definition was being loaded, say.
    signal.throwIfAborted();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}

function makeCall(options: AttemptOptions, own: { waits: Waits; approved: Json }): TaskCall {
  const { task, run, node, inputs } = options;
  const { signal } = options.abort;
  return {
    run,
    node,
    inputs,
    signal,
    attempt: task.failures + 1,
    index: task.item < 0 ? undefined : task.item,
    itemInput: task.itemInput,
    log: options.logger,
    approvedArgs: own.approved ?? undefined,
    waits: own.waits,
    agents: options.agents ?? NO_AGENTS,
    send: (channel, message) => {
      signal.throwIfAborted();
      return options.send(channel, message);
    },
    progress: makeProgress(options),
    once: makeOnce(options, own.waits),
  };
}

/** Most steps say nothing of their progress: what stores it is made when they do. */
function makeProgress(options: AttemptOptions): TaskCall["progress"] {
  let notes: ProgressNotes | undefined;
  return (fraction, note) => {
    const progress = checkProgress(fraction, note);
    if (options.abort.signal.aborted) {
      return;
    }
    notes ??= new ProgressNotes(options.clock, options.storeProgress);
    notes.tell(progress);
  };
}

function makeOnce(options: AttemptOptions, waits: Waits): TaskCall["once"] {
  const { signal } = options.abort;
  const stored = new Map(
    Object.entries(options.task.checkpoints).map(([key, value]) => [key, JSON.stringify(value)]),
  );
  const underWay = new Map<string, Promise<string>>();
  const remember = async (key: string, fn: () => unknown): Promise<string> => {
    const text = toJson(await fn(), `ctx.once("${key}") of step "${stepOf(options.node)}" was given`);
    checkSize(text, options);
    signal.throwIfAborted();
    const status = await options.mark(key, text);
    if (status) {
      throw new GoalpostError(
        "LEASE_LOST",
        `ctx.once("${key}") came too late: the task is no longer this worker's`,
      );
    }
    return text;
  };
  const once: TaskCall["once"] = async (key, fn) => {
    signal.throwIfAborted();
    const known = stored.get(key);
    if (known !== undefined) {
      return JSON.parse(known) as Json;
    }
    const promise = underWay.get(key) ?? remember(key, fn);
    underWay.set(key, promise);
    try {
      const text = await promise;
      stored.set(key, text);
      // Parsed for every caller: what one changes is not what another is given.
      return JSON.parse(text) as Json;
    } finally {
      underWay.delete(key);
    }
  };
  return (key, fn) => waits.keepBusy(() => once(key, fn));
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

function checkSize(text: string, { node, maxOutputBytes }: AttemptOptions): void {
  // A character is at most three bytes: most outputs need no exact count.
  if (text.length * 3 <= maxOutputBytes || Buffer.byteLength(text) <= maxOutputBytes) {
    return;
  }
  throw new GoalpostError(
    "OUTPUT_TOO_LARGE",
    `step "${stepOf(node)}" returned ${Buffer.byteLength(text)} bytes of JSON; ${maxOutputBytes} are allowed. ` +
      "Store large data elsewhere and return where it is, or raise workers.maxOutputBytes.",
  );
}

function fail(options: AttemptOptions, thrown: unknown): Report {
  const attempt = options.task.failures + 1;
  const { maxAttempts, retry } = options.code.policy;
  const undecided = thrown instanceof ConditionError;
  const error = undecided ? thrown.cause : thrown;
  const record: ErrorRecord = {
    ...toErrorRecord(error),
    task:
      options.node.kind === "plan" ? null : { id: options.node.name, step: stepOf(options.node), attempt },
  };
  const again = !undecided && attempt < maxAttempts && !(isGoalpostError(error) && !error.retryable);
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
  return kind === "plan" ? (spec.parent ?? name) : name;
}

/** The step that does the work of a node. */
export function stepOf(node: DefinitionNode): string {
  return node.spec.step ?? node.name;
}
