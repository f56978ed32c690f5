import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import type { GraphLimits } from "./core/goal.ts";
import { checkName } from "./core/names.ts";
import { PLAN } from "./core/shape.ts";
import { inputToJson } from "./options.ts";
import { validate } from "./plan/validate.ts";
import { tasksOf } from "./run-result.ts";
import { getPlanApproval, getSettings } from "./store/plans.ts";
import { getRun } from "./store/runs.ts";
import { hasTask } from "./store/task-rows.ts";
import { type Decided, type Decision, decideApproval, getWaits, signalRun } from "./store/waits.ts";

/** What the plan of a goal is called where it is approved of. */
const PLAN_TASK = "plan";

/** How a task is approved. */
export interface ApproveOptions {
  /** Who approves: a person's name, an account. */
  readonly by: string;
  readonly note?: string | undefined;
  /**
   * Args to use instead of the planned ones, or the model's; checked by the schema of the step, or tool. Of a plan: the
   * tasks, or { tasks }, to run instead of those that were proposed.
   */
  readonly args?: unknown;
  /** Which call of a tool, as `waitingFor` of the task tells it. Only needed where several are open. */
  readonly call?: string | undefined;
}

/** How a task is rejected. */
export interface RejectOptions {
  /** Who rejects: a person's name, an account. */
  readonly by: string;
  /** A model is told of it where a call of its is rejected. */
  readonly reason: string;
  /** Which call of a tool, as `waitingFor` of the task tells it. Only needed where several are open. */
  readonly call?: string | undefined;
}

export interface RunWaitsOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  /** There may be something to carry out. */
  readonly wake: () => void;
}

interface Decidable {
  readonly id: string;
  readonly taskId: string;
  /** The node that waits: "plan" stands for the plan. */
  readonly node: string;
  readonly call: string | undefined;
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

  async approve(id: string, taskId: string, { by, note, args, call }: ApproveOptions): Promise<void> {
    checkText(by, "approve: by");
    if (note !== undefined) {
      checkText(note, "approve: note");
    }
    const text = args === undefined ? null : inputToJson(args, "the approved args are");
    checkCall(call);
    const { source } = await getRun(this.#o.driver, id);
    if (text !== null && source !== "planned" && !(await this.#isAskedAboutCall(id, taskId))) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `run ${id} is no run of a goal: its tasks have no args to replace`,
      );
    }
    const node = await this.#nodeOf(id, taskId);
    if (node === PLAN && text !== null && text !== "null") {
      await this.#checkPlan(id, JSON.parse(text));
    }
    await this.#decide(
      { id, taskId, node, call },
      { verdict: "approved", by, note: note ?? null, args: text },
    );
  }

  async reject(id: string, taskId: string, { by, reason, call }: RejectOptions): Promise<void> {
    checkText(by, "reject: by");
    checkText(reason, "reject: reason");
    checkCall(call);
    await getRun(this.#o.driver, id);
    const node = await this.#nodeOf(id, taskId);
    await this.#decide({ id, taskId, node, call }, { verdict: "rejected", by, note: reason, args: null });
  }

  /** Whether the task waits for the approval of a call of a tool: that has args wherever it is made. */
  async #isAskedAboutCall(id: string, taskId: string): Promise<boolean> {
    const waitsOf = await getWaits(this.#o.driver, id);
    return waitsOf(taskId, {}).waitingFor.some((wait) => wait.call !== null);
  }

  /** "plan" is the plan while it waits; after that a task may be called so. */
  async #nodeOf(id: string, taskId: string): Promise<string> {
    const approval = taskId === PLAN_TASK ? await getPlanApproval(this.#o.driver, id) : null;
    if (!approval) {
      return taskId;
    }
    const isTask = approval.status === "approved" && (await hasTask(this.#o.driver, id, PLAN_TASK));
    return isTask ? taskId : PLAN;
  }

  /** As far as it can be checked without the steps, so that a slip does not cost the run. */
  async #checkPlan(id: string, plan: unknown): Promise<void> {
    const settings = (await getSettings(this.#o.driver, id)) as { limits?: Partial<GraphLimits> } | null;
    await validate(tasksOf(plan), { limits: settings?.limits });
  }

  async #decide(task: Decidable, decision: Omit<Decision, "now">): Promise<void> {
    const { driver, clock, wake } = this.#o;
    const { id: runId, taskId, node, call } = task;
    const found =
      typeof taskId === "string" && !taskId.includes("\u0000")
        ? await decideApproval(
            driver,
            { runId, taskId: node, call },
            { ...decision, now: clock.databaseNow() },
          )
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

function whyNot(taskId: string, { state, taskStatus, by, at, open }: Decided): string {
  if (open) {
    const calls = open.map(([id, tool]) => `${id} (${tool})`).join(", ");
    return `task "${taskId}" waits for the approval of ${open.length} calls of tools; say which one by \`call\`: ${calls}`;
  }
  if (by !== null) {
    return `task "${taskId}" was ${state} already, by ${by} at ${at}; a decision is made once`;
  }
  const why = state === "waiting" ? "does not wait for approval any more" : "does not wait for approval";
  return `task "${taskId}" is ${taskStatus} and ${why}; it can be approved or rejected once it is suspended for it`;
}

function checkCall(call: unknown): void {
  if (call !== undefined) {
    checkText(call, "call");
  }
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
