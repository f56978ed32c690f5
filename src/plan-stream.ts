import { GoalpostError } from "./core/errors.ts";
import type { GraphLimits, TaskSpec, ValidTaskGraph } from "./core/goal.ts";
import type { Shape } from "./core/shape.ts";
import { toTree } from "./core/task-tree.ts";
import type { TaskCall } from "./engine/code.ts";
import type { Growth } from "./engine/growth.ts";
import { compileGraph } from "./plan/compile.ts";
import { textOfTask } from "./plan/task-text.ts";
import { type ValidateOptions, validate } from "./plan/validate.ts";
import type { PlanSite } from "./plan-site.ts";

export interface PlanStreamOptions {
  readonly call: TaskCall;
  readonly site: PlanSite;
  readonly limits: GraphLimits;
  /** How a part is checked if the run has the tasks with these ids. */
  readonly check: (known: readonly string[]) => ValidateOptions;
  readonly read: (tasks: readonly unknown[]) => readonly TaskSpec[];
  readonly finish: (shape: Shape) => Shape;
}

/** What a plan hands on while it is made: one part after the other, each stored before it counts. */
export class PlanStream {
  readonly #o: PlanStreamOptions;
  readonly #growth: Growth;
  readonly #known: Map<string, number>;
  /** What was handed on, by earlier tries too. */
  readonly #tasks: TaskSpec[];
  /** What was handed on before this try began. */
  readonly before: readonly TaskSpec[];
  #parts: number;
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(options: PlanStreamOptions) {
    this.#o = options;
    this.#growth = options.call.growth();
    this.#parts = this.#growth.parts.length;
    this.before = this.#growth.parts.flatMap((part) => part.tasks);
    this.#tasks = [...this.before];
    this.#known = new Map(options.site.known);
    for (const { spec } of toTree(this.before).tasks) {
      this.#known.set(spec.id, options.site.find(spec.id));
    }
  }

  /** The positions of the tasks that the run has, by id. */
  get known(): ReadonlyMap<string, number> {
    return this.#known;
  }

  /** @throws InvalidGraphError, DECOMPOSER_FAILED if a task was handed on before and was another, LEASE_LOST */
  add(tasks: readonly unknown[]): Promise<void> {
    const added = this.#last.then(() => this.#add(tasks));
    // Whoever gave these tasks is told; the next ones may be right.
    this.#last = added.catch(() => undefined);
    return added;
  }

  /** Nothing more is handed on; resolves when all that was is stored. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#last;
  }

  /** @throws DECOMPOSER_FAILED if the final answer is not what was handed on */
  refuseChanges(answer: readonly TaskSpec[]): void {
    const texts = new Map(answer.map((task) => [task.id, textOfTask(task)]));
    for (const task of this.#tasks) {
      const text = texts.get(task.id);
      if (text !== textOfTask(task)) {
        throw changed(task.id, text === undefined ? "is missing from the plan" : "is another in the plan");
      }
    }
  }

  async #add(values: readonly unknown[]): Promise<void> {
    const { call, site, check, finish } = this.#o;
    call.signal.throwIfAborted();
    if (this.#ended) {
      throw new GoalpostError("INVALID_STATE", "ctx.stream was called after the decomposer had returned");
    }
    const tasks = this.#refuseOthers(values);
    if (tasks.length === 0) {
      return;
    }
    const graph = await validate(tasks, check([...this.#known.keys()]));
    await this.#checkWidth(graph);
    const number = this.#parts + 1;
    const gate = `/stream/${site.place.position}/${number}`;
    const shape = finish(compileGraph(graph, { ...site.place, known: this.#known, gate }));
    const base = await this.#growth.handOn({ number, tasks: graph.tasks, shape });
    if (base === null) {
      throw new GoalpostError(
        "LEASE_LOST",
        "ctx.stream came too late: the planning is no longer this worker's",
      );
    }
    this.#parts = number;
    this.#tasks.push(...graph.tasks);
    for (const [index, node] of shape.nodes.entries()) {
      if (!node.name.startsWith("/")) {
        this.#known.set(node.name, base + index);
      }
    }
  }

  /** Leaves out what was handed on before. */
  #refuseOthers(values: readonly unknown[]): readonly unknown[] {
    const before = new Map(this.#tasks.map((task) => [task.id, textOfTask(task)]));
    const given = new Map(this.#o.read(values).map((task) => [task.id, task]));
    return values.filter((value) => {
      const id = String((value as { id?: unknown } | null)?.id);
      const text = before.get(id);
      const task = given.get(id);
      if (text !== undefined && task && textOfTask(task) !== text) {
        throw changed(id, "is another now");
      }
      return text === undefined;
    });
  }

  /** Until there are more tasks than may run at once, they may all run at once. */
  async #checkWidth(part: ValidTaskGraph): Promise<void> {
    const { site, limits, check } = this.#o;
    const all = [...site.kept, ...this.#tasks, ...part.tasks];
    if (toTree(all).tasks.length > limits.maxWidth) {
      const { within, ...options } = check([]);
      await validate(all, { ...options, ...(within && { within: { ...within, taken: new Set() } }) });
    }
  }
}

function changed(id: string, how: string): GoalpostError {
  return new GoalpostError(
    "DECOMPOSER_FAILED",
    `task "${id}" was handed on with ctx.stream, and ${how}; what was handed on is under way and stays as it is`,
    { retryable: false },
  );
}
