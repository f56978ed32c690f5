import type { Dependency } from "../core/goal.ts";
import type { TaskTree } from "../core/task-tree.ts";
import { OutputGuard } from "./output-guard.ts";
import { isLeaf } from "./task-facts.ts";

/** Steps of the search for other ways, in all: then what is left stays, which costs a counter and breaks nothing. */
const MAX_STEPS = 5_000_000;

/** A dependency that says nothing new. */
export interface RedundantEdge {
  readonly from: string;
  readonly to: string;
}

/**
 * Finds order and conflict edges whose order other edges imply (transitive reduction). Edges that bind an output stay,
 * redundant or not: they are how a task is given it. A way counts only where a skipped task would skip all behind it,
 * as the edge itself does: over leaf tasks, edges that are not optional, and no task that goes on after a failure.
 */
export function findRedundantEdges(tree: TaskTree): RedundantEdge[] {
  const ways = new Ways(tree);
  const guard = new OutputGuard(tree);
  const found: RedundantEdge[] = [];
  for (const [index, { spec, dependencies }] of tree.tasks.entries()) {
    for (const { id, reason, optional } of dependencies) {
      const source = tree.byId.get(id);
      const binds = reason === undefined || reason === "data";
      if (
        !binds &&
        !optional &&
        source !== undefined &&
        ways.hasDetour(source, index) &&
        guard.release(source, index)
      ) {
        found.push({ from: id, to: spec.id });
      }
    }
  }
  return found;
}

class Ways {
  /** By index of the task; over what counts only. */
  readonly #predecessors: readonly (readonly number[])[];
  /** The longest way to each task: a task reaches only those with a larger one. */
  readonly #levels: Int32Array;
  /** Whether a failure of the task stops what is behind it. */
  readonly #passable: readonly boolean[];
  readonly #seenFor: Int32Array;
  #search = 0;
  #steps = 0;

  constructor(tree: TaskTree) {
    const counts = ({ optional }: Dependency): boolean => !optional;
    this.#predecessors = tree.tasks.map(({ spec, dependencies }) =>
      isLeaf(spec)
        ? dependencies.filter(counts).flatMap(({ id }) => {
            const source = tree.byId.get(id);
            const task = source === undefined ? undefined : tree.tasks[source];
            return source !== undefined && task && isLeaf(task.spec) ? [source] : [];
          })
        : [],
    );
    this.#levels = levelsOf(this.#predecessors);
    this.#seenFor = new Int32Array(tree.tasks.length);
    this.#passable = tree.tasks.map(({ spec }) => spec.onExhausted !== "continue");
  }

  /** Whether there is a way of two edges or more. */
  hasDetour(source: number, target: number): boolean {
    this.#search++;
    const open = (this.#predecessors[target] ?? []).filter((before) => before !== source);
    for (let at = open.pop(); at !== undefined && this.#steps < MAX_STEPS; at = open.pop()) {
      this.#steps++;
      if (at === source) {
        return true;
      }
      const worthwhile =
        this.#passable[at] && (this.#levels[at] as number) > (this.#levels[source] as number);
      if (worthwhile && this.#seenFor[at] !== this.#search) {
        this.#seenFor[at] = this.#search;
        open.push(...(this.#predecessors[at] ?? []));
      }
    }
    return false;
  }
}

function levelsOf(predecessors: readonly (readonly number[])[]): Int32Array {
  const successors: number[][] = predecessors.map(() => []);
  const left = Int32Array.from(predecessors, ({ length }) => length);
  for (const [index, before] of predecessors.entries()) {
    for (const source of before) {
      successors[source]?.push(index);
    }
  }
  const levels = new Int32Array(predecessors.length);
  const open = predecessors.flatMap(({ length }, index) => (length === 0 ? [index] : []));
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const next of successors[at] ?? []) {
      levels[next] = Math.max(levels[next] as number, (levels[at] as number) + 1);
      left[next] = (left[next] as number) - 1;
      if (left[next] === 0) {
        open.push(next);
      }
    }
  }
  return levels;
}
