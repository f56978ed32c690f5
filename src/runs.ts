import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { type ErrorRecord, toErrorRecord } from "./core/error-record.ts";
import { GoalpostError } from "./core/errors.ts";
import type { Json } from "./core/json.ts";
import { check } from "./core/policy.ts";
import { getProgress } from "./progress.ts";
import { type EventsOptions, runEvents } from "./run-events.ts";
import { checkRunFilter } from "./run-filter.ts";
import type { Progress } from "./run-result.ts";
import type { ApproveOptions, RejectOptions, RunWaits } from "./run-waits.ts";
import { checkWait, type RunWatch, type WaitOptions } from "./run-watch.ts";
import type { RunEvent } from "./store/events.ts";
import { getGraph, listPlans, type PlanRecord } from "./store/plan-versions.ts";
import { getPlanApproval, type PlanApproval } from "./store/plans.ts";
import { type PruneReport, prune } from "./store/prune.ts";
import { cancelRun, listChildren, pauseRun, resumeRun } from "./store/run-actions.ts";
import { listRuns, type RunFilter } from "./store/run-list.ts";
import { getRun, type RunSummary } from "./store/runs.ts";
import { getTasks, type TaskRecord } from "./store/task-rows.ts";

/** A run with its tasks. */
export interface RunRecord extends RunSummary {
  /** The graph as it is planned by now; null for other workflows, and before planning is done. */
  readonly graph: Json;
  /** What became of asking about the plan (`approvePlan`); null where nobody is asked, and before planning is done. */
  readonly planApproval: PlanApproval | null;
  /** The versions of the plan, oldest first; none for other workflows. */
  readonly plans: readonly PlanRecord[];
  readonly tasks: readonly TaskRecord[];
}

/** How a run is cancelled. */
export interface CancelOptions {
  /** Kept with the run. Default "the run was cancelled". */
  readonly reason?: string | undefined;
  /**
   * A cancelled run is final at once in any case; what is running is told by its signal, and not waited for. With
   * force it is given up as well: every try under way is put down as lost in the task's history, because its function
   * may ignore the signal or its process be out of reach, and nothing of the run is left in any queue, which costs a
   * look at all that is queued. Default false.
   */
  readonly force?: boolean | undefined;
}

/** How a run is retried. */
export interface RetryOptions {
  /** Do everything again, planning included, instead of carrying over what was finished. Default false. */
  readonly resetAll?: boolean | undefined;
}

/** Which runs are removed. */
export interface PruneOptions {
  /** Milliseconds since a run ended, and every run that belongs to it, that are not too many. */
  readonly olderThanMs: number;
  /** Runs that are removed in one transaction, about. Default 500. */
  readonly batch?: number | undefined;
  /** Only count. Default false. */
  readonly dryRun?: boolean | undefined;
}

const DEFAULT_BATCH = 500;
/** Of one transaction; more would keep others waiting. */
const MAX_BATCH = 100_000;

/** What the client does when a run is changed here. */
export interface RunHooks {
  readonly cancelled: (runId: string) => void;
  /** There may be something to carry out. */
  readonly wake: () => void;
  readonly waits: RunWaits;
  /** The id of the run that retries it; undefined if it cannot be retried. */
  readonly retry: (runId: string, resetAll: boolean) => Promise<string | undefined>;
}

/** `gp.runs`: what there is, how it goes, and how to stop it. */
export class Runs {
  readonly #driver: Driver;
  readonly #watch: RunWatch;
  readonly #hooks: RunHooks;
  readonly #clock: Clock;

  constructor(
    { driver, clock }: { readonly driver: Driver; readonly clock: Clock },
    watch: RunWatch,
    hooks: RunHooks,
  ) {
    this.#driver = driver;
    this.#clock = clock;
    this.#watch = watch;
    this.#hooks = hooks;
  }

  /**
   * A run with its tasks, their tries and errors.
   * @param options outputs: false leaves the tasks' outputs out (null); they can be large
   * @throws RUN_NOT_FOUND
   */
  async get(id: string, options: { outputs?: boolean | undefined } = {}): Promise<RunRecord> {
    const run = await getRun(this.#driver, id);
    const planned = run.source === "planned";
    const graph = planned ? await getGraph(this.#driver, id) : null;
    const plans = planned ? await listPlans(this.#driver, id) : [];
    const planApproval = planned ? await getPlanApproval(this.#driver, id) : null;
    return {
      ...run,
      graph,
      plans,
      planApproval,
      tasks: await getTasks(this.#driver, id, { outputs: options.outputs ?? true }),
    };
  }

  /** Runs, newest first unless told otherwise. @throws INVALID_INPUT, RUN_NOT_FOUND if there is no run `after` */
  async list(filter: RunFilter = {}): Promise<RunSummary[]> {
    checkRunFilter(filter);
    return listRuns(this.#driver, filter);
  }

  /** How far a run is. @throws RUN_NOT_FOUND */
  async progress(id: string): Promise<Progress> {
    const { status } = await getRun(this.#driver, id);
    return getProgress(this.#driver, { id, status });
  }

  /**
   * Cancels a run and the runs that it started: nothing new starts, what is running is aborted, every other task
   * becomes cancelled.
   * @returns false if it had ended already
   * @throws RUN_NOT_FOUND, INVALID_INPUT
   */
  async cancel(id: string, { reason, force = false }: CancelOptions = {}): Promise<boolean> {
    if (reason !== undefined && typeof reason !== "string") {
      throw new GoalpostError("INVALID_INPUT", `reason is a ${typeof reason}; it must be a text`);
    }
    await getRun(this.#driver, id);
    const error = toErrorRecord(new GoalpostError("CANCELLED", reason ?? "the run was cancelled"));
    const cancelled = await this.#cancel(id, { error, force });
    // A run whose parent is final starts no more: one level is complete when the one above it is cancelled. They are
    // looked for even if there was nothing to cancel, because whoever did it may have died before it came to them.
    for (let level = [id]; level.length > 0; ) {
      level = await listChildren(this.#driver, level);
      for (const child of level) {
        await this.#cancel(child, { error, force });
      }
    }
    return cancelled;
  }

  /**
   * Nothing of the run is started any more until it is resumed; tasks under way go on to their end.
   * @throws RUN_NOT_FOUND, INVALID_STATE unless it is running
   */
  async pause(id: string): Promise<void> {
    await getRun(this.#driver, id);
    if (!(await pauseRun(this.#driver, id))) {
      await this.#refuse(id, "paused", "only a running run can be");
    }
  }

  /** Lets a paused run go on. @throws RUN_NOT_FOUND, INVALID_STATE unless it is paused */
  async resume(id: string): Promise<void> {
    await getRun(this.#driver, id);
    if (!(await resumeRun(this.#driver, id))) {
      await this.#refuse(id, "resumed", "only a paused run can be");
    }
    this.#hooks.wake();
  }

  /**
   * Starts a new run from a failed or cancelled one: what was finished is carried over, the rest is done again by the
   * code that the old run was started with here, or that is registered. What was skipped is decided again.
   * @returns the id of the new run; while one that retries the old run has not ended, that one's id
   * @throws RUN_NOT_FOUND, INVALID_STATE unless it failed or was cancelled
   */
  async retry(id: string, { resetAll = false }: RetryOptions = {}): Promise<string> {
    await getRun(this.#driver, id);
    const retryId = await this.#hooks.retry(id, resetAll);
    return retryId ?? this.#refuse(id, "retried", "only a failed or cancelled run can be");
  }

  /**
   * Removes finished runs with everything that is kept of them, and their idempotency keys. A run that others belong
   * to, because its tasks started them, goes together with those, when all of them are old enough.
   * @throws INVALID_INPUT
   */
  async prune({ olderThanMs, batch = DEFAULT_BATCH, dryRun = false }: PruneOptions): Promise<PruneReport> {
    check(olderThanMs ?? Number.NaN, { what: "olderThanMs", least: 0 });
    check(batch, { what: "batch", least: 1, most: MAX_BATCH, whole: true });
    return prune(this.#driver, { olderThanMs, batch, dryRun });
  }

  /**
   * Sends a signal to a run. It is kept until a task of the run waits for that name (`ctx.waitFor`), and given to one
   * of them, the one that waits longest.
   * @throws RUN_NOT_FOUND, INVALID_STATE if the run has ended, INVALID_INPUT
   */
  signal(id: string, name: string, payload: unknown = null): Promise<void> {
    return this.#hooks.waits.signal(id, name, payload);
  }

  /**
   * Lets a task go on that waits for approval; "plan" is the plan of a goal with `approvePlan`, its args the changed plan.
   * @throws InvalidGraphError if that cannot be a plan; RUN_NOT_FOUND, INVALID_INPUT, INVALID_STATE if it does not wait for approval or was decided already
   */
  approve(id: string, taskId: string, options: ApproveOptions): Promise<void> {
    return this.#hooks.waits.approve(id, taskId, options);
  }

  /**
   * Fails a task that waits for approval, with REJECTED; it is not tried again. "plan" is the plan, and the run fails.
   * @throws RUN_NOT_FOUND, INVALID_INPUT, INVALID_STATE if it does not wait for approval or was decided already
   */
  reject(id: string, taskId: string, options: RejectOptions): Promise<void> {
    return this.#hooks.waits.reject(id, taskId, options);
  }

  /**
   * Waits until a run is final, whoever carries it out.
   * @throws RUN_NOT_FOUND, WAIT_TIMEOUT, CLOSED, or the signal's reason
   */
  async wait(id: string, options: WaitOptions = {}): Promise<RunSummary> {
    checkWait(options);
    await getRun(this.#driver, id);
    await this.#watch.waitFor(id, options);
    return getRun(this.#driver, id);
  }

  /**
   * What happens to a run, from its start or after a cursor (the `seq` of an event), until it is final. The order is that
   * of the commits, without gaps; each transition is told once.
   * @throws RUN_NOT_FOUND, INVALID_INPUT, INVALID_STATE if the run keeps no events, or the signal's reason
   */
  events(id: string, options: EventsOptions = {}): AsyncGenerator<RunEvent, void, undefined> {
    return runEvents({ driver: this.#driver, clock: this.#clock }, id, options);
  }

  async #cancel(id: string, how: { error: ErrorRecord; force: boolean }): Promise<boolean> {
    const cancelled = await cancelRun(this.#driver, id, how);
    if (cancelled) {
      this.#hooks.cancelled(id);
      // It has no result that would say what it used.
      const ended = { id, status: "cancelled", output: null, error: how.error, billed: false } as const;
      this.#watch.finished(ended);
    }
    return cancelled;
  }

  async #refuse(id: string, verb: string, rule: string): Promise<never> {
    const { status } = await getRun(this.#driver, id);
    throw new GoalpostError("INVALID_STATE", `run ${id} is ${status} and cannot be ${verb}; ${rule}`);
  }
}
