import type { Dependency, TaskSpec } from "./goal.ts";
import { findRefs } from "./refs.ts";

/** A task of a graph, with its place in the nesting. */
export interface TreeTask {
  readonly spec: TaskSpec;
  /** Index in {@link TaskTree.tasks}; -1 at the top. */
  readonly parent: number;
  /** Levels from the top, from 1. */
  readonly depth: number;
  /** Its dependencies, declared and by reference, once each. */
  readonly dependencies: readonly Dependency[];
}

/** All tasks of a graph, parents before their subtasks. */
export interface TaskTree {
  readonly tasks: readonly TreeTask[];
  readonly byId: ReadonlyMap<string, number>;
}

/** Lists a graph's tasks at every level. Of tasks with one id the first counts. Linear; never recurses. */
export function toTree(specs: readonly TaskSpec[]): TaskTree {
  const tasks: TreeTask[] = [];
  const byId = new Map<string, number>();
  const open: { spec: TaskSpec; parent: number; depth: number }[] = specs
    .map((spec) => ({ spec, parent: -1, depth: 1 }))
    .reverse();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const index = tasks.length;
    tasks.push({ ...next, dependencies: dependenciesOf(next.spec) });
    if (!byId.has(next.spec.id)) {
      byId.set(next.spec.id, index);
    }
    for (const spec of [...(next.spec.subtasks ?? [])].reverse()) {
      open.push({ spec, parent: index, depth: next.depth + 1 });
    }
  }
  return { tasks, byId };
}

/** Declared dependencies first, then those that references add. */
function dependenciesOf(spec: TaskSpec): Dependency[] {
  const byId = new Map<string, Dependency>();
  for (const dependency of spec.dependsOn ?? []) {
    const full = typeof dependency === "string" ? { id: dependency } : dependency;
    byId.set(full.id, byId.get(full.id) ?? full);
  }
  if (spec.map) {
    byId.set(spec.map.over, { ...byId.get(spec.map.over), id: spec.map.over, reason: "data" });
  }
  for (const { id } of findRefs(spec.args).refs) {
    byId.set(id, { ...byId.get(id), id, reason: "data" });
  }
  return [...byId.values()];
}

/** True for a task that holds others, or will. */
export function isCompound(spec: TaskSpec): boolean {
  return (spec.subtasks?.length ?? 0) > 0 || spec.decompose === true;
}

/** A task graph as the engine's nodes see it: an arc from each task's exit to its dependents' entry. */
export interface Arcs {
  /** Entry of task i is 2i, exit is 2i + 1; they are joined by an arc. */
  readonly successors: readonly (readonly number[])[];
}

/** The arcs of a tree. A compound task's entry leads into its subtasks, and they into its exit. */
export function toArcs(tree: TaskTree): Arcs {
  const successors: number[][] = Array.from({ length: tree.tasks.length * 2 }, () => []);
  for (const [index, task] of tree.tasks.entries()) {
    successors[2 * index]?.push(2 * index + 1);
    if (task.parent >= 0) {
      successors[2 * task.parent]?.push(2 * index);
      successors[2 * index + 1]?.push(2 * task.parent + 1);
    }
    for (const { id } of task.dependencies) {
      const source = tree.byId.get(id);
      if (source !== undefined && source !== index) {
        successors[2 * source + 1]?.push(2 * index);
      }
    }
  }
  return { successors };
}
