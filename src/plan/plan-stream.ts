import { InvalidGraphError } from "../core/errors.ts";
import type { DecomposeContext, TaskSpec } from "../core/goal.ts";
import { toTree } from "../core/task-tree.ts";
import { isRightAfter, type PlanCheck } from "./check-plan.ts";
import type { PlanIssue } from "./plan-issue.ts";
import { type PlanPlaceInfo, TaskReader } from "./plan-tasks.ts";
import { TaskScanner } from "./task-scanner.ts";

export interface PlanStreamOptions {
  readonly ctx: DecomposeContext;
  readonly check: PlanCheck;
  readonly place: PlanPlaceInfo;
}

/**
 * Hands tasks on while the plan is being written: each when it is right on its own, all that it depends on has been
 * handed on, and nothing that comes behind it can change what it is. What was handed on is part of the plan for good.
 */
export class PlanStream {
  readonly #o: PlanStreamOptions;
  readonly #handedOn = new Map<string, TaskSpec>();
  #issues: readonly PlanIssue[] = [];
  #closed: boolean;
  /** What is under way: calls of ctx.stream come one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: PlanStreamOptions) {
    this.#o = options;
    this.#closed = options.ctx.stream === undefined;
    for (const task of options.ctx.streamed ?? []) {
      this.#handedOn.set(task.id, task);
    }
  }

  /** Tasks that the plan must hold as they are. */
  get handedOn(): readonly TaskSpec[] {
    return [...this.#handedOn.values()];
  }

  /** Listens to one answer; undefined where nothing can be handed on. */
  listen(): ((text: string) => void) | undefined {
    if (this.#closed) {
      return undefined;
    }
    const scanner = new TaskScanner();
    const reader = new TaskReader(this.#o.place);
    return (piece) => {
      for (const value of this.#closed ? [] : scanner.push(piece)) {
        const task = reader.read(value);
        if (task) {
          this.#work = this.#work.then(() => this.#offer(task));
        }
      }
    };
  }

  /** What was wrong with a task that was refused; it is the plan's fault until the model has been told. */
  takeRefusals(): readonly PlanIssue[] {
    const issues = this.#issues;
    this.#issues = [];
    return issues;
  }

  /** Waits for what is under way. */
  settle(): Promise<void> {
    return this.#work;
  }

  async #offer(task: TaskSpec): Promise<void> {
    const stopped = this.#closed || this.#o.ctx.signal.aborted;
    const ready = !stopped && !this.#handedOn.has(task.id) && this.#isReady(task);
    if (ready && (await isRightAfter(task, this.#handedOn, this.#o.check))) {
      await this.#handOn(task);
    }
  }

  #isReady(task: TaskSpec): boolean {
    const finished = this.#o.check.options.within?.finished;
    const dependencies = toTree([task]).tasks[0]?.dependencies ?? [];
    return dependencies.every(({ id }) => this.#handedOn.has(id) || finished?.has(id));
  }

  async #handOn(task: TaskSpec): Promise<void> {
    const { stream, log } = this.#o.ctx;
    this.#handedOn.set(task.id, task);
    try {
      await stream?.([task]);
    } catch (error) {
      this.#closed = true;
      log.warn({ taskId: task.id }, "a task could not be handed on; the plan is awaited as a whole");
      if (error instanceof InvalidGraphError) {
        // It was refused, so it has not begun. Other errors leave that open.
        this.#handedOn.delete(task.id);
        this.#issues = error.issues;
      }
    }
  }
}
