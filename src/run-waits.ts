import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { checkName } from "./core/names.ts";
import { inputToJson } from "./options.ts";
import { getRun } from "./store/runs.ts";
import { type Decided, type Decision, decideApproval, signalRun } from "./store/waits.ts";

/** How a task is approved. */
export interface ApproveOptions {
  /** Who approves: a person's name, an account. */
  readonly by: string;
  readonly note?: string | undefined;
  /** Args to use instead of the planned ones; checked by the step's schema when the task starts. */
  readonly args?: unknown;
}

/** How a task is rejected. */
export interface RejectOptions {
  /** Who rejects: a person's name, an account. */
  readonly by: string;
  readonly reason: string;
}

export interface RunWaitsOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  /** There may be something to carry out. */
  readonly wake: () => void;
}

/** Answers what tasks wait for. */
export class RunWaits {
  readonly #o: RunWaitsOptions;

  constructor(options: RunWaitsOptions) {
    this.#o = options;
  }

  async signal(id: string, name: string, payload: unknown): Promise<void> {
    checkName(name, "signal");
    const text = inputToJson(payload, `the payload of signal "${name}" is`);
    await getRun(this.#o.driver, id);
    const now = this.#o.clock.databaseNow();
    const status = await signalRun(this.#o.driver, id, { name, payload: text, now });
    if (status !== "running" && status !== "queued" && status !== "paused") {
      throw new GoalpostError(
        "INVALID_STATE",
        `run ${id} is ${status} and takes no signals any more; "${name}" was not kept`,
      );
    }
    this.#o.wake();
  }

  async approve(id: string, taskId: string, { by, note, args }: ApproveOptions): Promise<void> {
    checkText(by, "approve: by");
    if (note !== undefined) {
      checkText(note, "approve: note");
    }
    const text = args === undefined ? null : inputToJson(args, "the approved args are");
    const { source } = await getRun(this.#o.driver, id);
    if (text !== null && source !== "planned") {
      throw new GoalpostError(
        "INVALID_INPUT",
        `run ${id} is no run of a goal: its tasks have no args to replace`,
      );
    }
    await this.#decide({ id, taskId }, { verdict: "approved", by, note: note ?? null, args: text });
  }

  async reject(id: string, taskId: string, { by, reason }: RejectOptions): Promise<void> {
    checkText(by, "reject: by");
    checkText(reason, "reject: reason");
    await getRun(this.#o.driver, id);
    await this.#decide({ id, taskId }, { verdict: "rejected", by, note: reason, args: null });
  }

  async #decide(task: { id: string; taskId: string }, decision: Omit<Decision, "now">): Promise<void> {
    const { driver, clock, wake } = this.#o;
    const { id: runId, taskId } = task;
    const found =
      typeof taskId === "string" && !taskId.includes("\u0000")
        ? await decideApproval(driver, { runId, taskId }, { ...decision, now: clock.databaseNow() })
        : undefined;
    if (!found) {
      throw new GoalpostError("INVALID_INPUT", `run ${runId} has no task "${taskId}"`);
    }
    if (!found.done) {
      throw new GoalpostError("INVALID_STATE", whyNot(taskId, found), { details: { ...found } });
    }
    wake();
  }
}

function whyNot(taskId: string, { state, taskStatus, by, at }: Decided): string {
  if (by !== null) {
    return `task "${taskId}" was ${state} already, by ${by} at ${at}; a decision is made once`;
  }
  const why = state === "waiting" ? "does not wait for approval any more" : "does not wait for approval";
  return `task "${taskId}" is ${taskStatus} and ${why}; it can be approved or rejected once it is suspended for it`;
}

function checkText(value: unknown, what: string): void {
  const fits =
    typeof value === "string" &&
    value.trim() !== "" &&
    !value.includes("\u0000") &&
    !/[\ud800-\udfff]/u.test(value);
  if (!fits) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what} is ${JSON.stringify(value) ?? String(value)}; it must be a text that is not empty`,
    );
  }
}
