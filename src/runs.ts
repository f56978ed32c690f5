import type { Driver } from "./core/driver.ts";
import { toErrorRecord } from "./core/error-record.ts";
import { GoalpostError } from "./core/errors.ts";
import type { Json } from "./core/json.ts";
import { check } from "./core/policy.ts";
import type { Progress } from "./run-result.ts";
import type { ApproveOptions, RejectOptions, RunWaits } from "./run-waits.ts";
import type { RunWatch, WaitOptions } from "./run-watch.ts";
import {
  cancelRun,
  countTasks,
  getPlan,
  getRun,
  getTasks,
  listRuns,
  pauseRun,
  type RunFilter,
  type RunStatus,
  type RunSummary,
  resumeRun,
  type TaskRecord,
} from "./store/runs.ts";

/** A run with its tasks. */
export interface RunRecord extends RunSummary {
  /** The graph as it was planned; null for other workflows, and before planning is done. */
  readonly graph: Json;
  readonly tasks: readonly TaskRecord[];
}

const STATUSES: readonly RunStatus[] = ["queued", "running", "paused", "completed", "failed", "cancelled"];

/** What the client does when a run is changed here. */
export interface RunHooks {
  readonly cancelled: (runId: string) => void;
  /** There may be something to carry out. */
  readonly wake: () => void;
  readonly waits: RunWaits;
  /** The id of the new run; undefined if the old one cannot be retried. */
  readonly retry: (runId: string) => Promise<string | undefined>;
}

/** `gp.runs`: what there is, how it goes, and how to stop it. */
export class Runs {
  readonly #driver: Driver;
  readonly #watch: RunWatch;
  readonly #hooks: RunHooks;

  constructor(driver: Driver, watch: RunWatch, hooks: RunHooks) {
    this.#driver = driver;
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
    const graph = run.source === "planned" ? await getPlan(this.#driver, id) : null;
    return { ...run, graph, tasks: await getTasks(this.#driver, id, { outputs: options.outputs ?? true }) };
  }

  /** Runs, newest first. @throws INVALID_INPUT */
  async list(filter: RunFilter = {}): Promise<RunSummary[]> {
    check(filter.limit, { what: "limit", least: 1, whole: true });
    check(filter.offset, { what: "offset", least: 0, whole: true });
    if (filter.status !== undefined && !STATUSES.includes(filter.status)) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `status is "${filter.status}"; there are: ${STATUSES.join(", ")}`,
      );
    }
    return listRuns(this.#driver, filter);
  }

  /** How far a run is. @throws RUN_NOT_FOUND */
  async progress(id: string): Promise<Progress> {
    const { status } = await getRun(this.#driver, id);
    const counts = await countTasks(this.#driver, id);
    const done = counts.completed + counts.dropped + counts.failed;
    const share = counts.total === 0 ? 0 : Math.floor((100 * done) / counts.total);
    return {
      status,
      totalTasks: counts.total,
      completedTasks: counts.completed,
      runningTasks: counts.running,
      failedTasks: counts.failed,
      percentage: status === "completed" ? 100 : Math.min(99, share),
    };
  }

  /**
   * Cancels a run: nothing new starts, what is running is aborted, every other task becomes cancelled.
   * @returns false if it had ended already
   * @throws RUN_NOT_FOUND
   */
  async cancel(id: string, options: { reason?: string | undefined } = {}): Promise<boolean> {
    await getRun(this.#driver, id);
    const error = new GoalpostError("CANCELLED", options.reason ?? "the run was cancelled");
    const cancelled = await cancelRun(this.#driver, id, toErrorRecord(error));
    if (cancelled) {
      this.#hooks.cancelled(id);
      this.#watch.finished({ id, status: "cancelled", output: null, error: toErrorRecord(error) });
    }
    return cancelled;
  }

  /**
   * Nothing of the run is started any more until it is resumed; tasks under way go on to their end.
   * @throws RUN_NOT_FOUND, INVALID_STATE unless it is running
   */
  async pause(id: string): Promise<void> {
    if (!(await pauseRun(this.#driver, id))) {
      await this.#refuse(id, "paused", "only a running run can be");
    }
  }

  /** Lets a paused run go on. @throws RUN_NOT_FOUND, INVALID_STATE unless it is paused */
  async resume(id: string): Promise<void> {
    if (!(await resumeRun(this.#driver, id))) {
      await this.#refuse(id, "resumed", "only a paused run can be");
    }
    this.#hooks.wake();
  }

  /**
   * Starts a new run from a failed or cancelled one: what was finished is carried over, the rest is done again by the
   * code that the old run was started with here, or that is registered.
   * @returns the id of the new run
   * @throws RUN_NOT_FOUND, INVALID_STATE unless it failed or was cancelled
   */
  async retry(id: string): Promise<string> {
    const newId = await this.#hooks.retry(id);
    if (newId === undefined) {
      await this.#refuse(id, "retried", "only a failed or cancelled run can be");
    }
    return newId ?? "";
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
   * Lets a task go on that waits for approval.
   * @throws RUN_NOT_FOUND, INVALID_INPUT, INVALID_STATE if it does not wait for approval or was decided already
   */
  approve(id: string, taskId: string, options: ApproveOptions): Promise<void> {
    return this.#hooks.waits.approve(id, taskId, options);
  }

  /**
   * Fails a task that waits for approval, with REJECTED; it is not tried again.
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
    await getRun(this.#driver, id);
    await this.#watch.waitFor(id, options);
    return getRun(this.#driver, id);
  }

  async #refuse(id: string, verb: string, rule: string): Promise<never> {
    const { status } = await getRun(this.#driver, id);
    throw new GoalpostError("INVALID_STATE", `run ${id} is ${status} and cannot be ${verb}; ${rule}`);
  }
}
