import type { TaskTree } from "../core/task-tree.ts";

/**
 * A compound task's output holds those of its subtasks that nothing in it waits for. An edge that makes another one of
 * them is part of what its dependents are given, and has to stay. The run's own output may gain tasks.
 */
export class OutputGuard {
  readonly #tree: TaskTree;
  /** For each task how many wait for it inside what surrounds it. */
  readonly #waiting: Int32Array;

  constructor(tree: TaskTree) {
    this.#tree = tree;
    this.#waiting = new Int32Array(tree.tasks.length);
    for (const [index, { dependencies }] of tree.tasks.entries()) {
      for (const { id } of dependencies) {
        const source = tree.byId.get(id);
        if (source !== undefined && this.#isInside(source, index)) {
          this.#waiting[source] = (this.#waiting[source] as number) + 1;
        }
      }
    }
  }

  /** Whether the edge may go; if so, it counts as gone. */
  release(from: number, to: number): boolean {
    if (!this.#isInside(from, to)) {
      return true;
    }
    const waiting = this.#waiting[from] as number;
    if (waiting === 1 && this.#parentOf(from) >= 0) {
      return false;
    }
    this.#waiting[from] = waiting - 1;
    return true;
  }

  /** Whether a new edge would hide an output that a compound task holds. */
  hides(from: number, to: number): boolean {
    return this.#parentOf(from) >= 0 && this.#waiting[from] === 0 && this.#isInside(from, to);
  }

  /** Whether `other` is somewhere inside what surrounds the task. */
  #isInside(task: number, other: number): boolean {
    const around = this.#parentOf(task);
    let at = other;
    while (at >= 0 && at !== around) {
      at = this.#parentOf(at);
    }
    return at === around;
  }

  #parentOf(task: number): number {
    return this.#tree.tasks[task]?.parent ?? -1;
  }
}
