import type { Dependency, TaskSpec } from "../core/goal.ts";
import { findRefs } from "../core/refs.ts";
import { toTree } from "../core/task-tree.ts";

/**
 * Mends the edges of a plan where there is one way only: of equal edges one stays, and of two tasks that wait for each
 * other the one whose reason is mere order goes on without.
 */
export function mendEdges(tasks: readonly TaskSpec[]): TaskSpec[] {
  const { tasks: all, byId } = toTree(tasks);
  const dropped = new Map<number, Set<string>>();
  const isDropped = (index: number, id: string): boolean => dropped.get(index)?.has(id) ?? false;
  for (const [index, { spec, dependencies }] of all.entries()) {
    for (const { id } of dependencies) {
      const other = byId.get(id);
      const back = other === undefined ? undefined : all[other];
      const inCycle = back?.dependencies.some((dependency) => dependency.id === spec.id) ?? false;
      if (other === undefined || !back || !inCycle || other === index || isDropped(other, spec.id)) {
        continue;
      }
      // The one that is listed first goes first, if both orders are as good.
      if (isMereOrder(spec, id)) {
        dropped.set(index, (dropped.get(index) ?? new Set()).add(id));
      }
    }
  }
  let next = 0;
  const mend = (specs: readonly TaskSpec[]): TaskSpec[] =>
    specs.map((spec) => {
      const index = next++;
      const subtasks = spec.subtasks && mend(spec.subtasks);
      const dependsOn =
        spec.dependsOn && mergeEdges(spec.dependsOn).filter(({ id }) => !isDropped(index, id));
      return {
        ...spec,
        ...(dependsOn && { dependsOn: dependsOn.map((edge) => (isPlain(edge) ? edge.id : edge)) }),
        ...(subtasks && { subtasks }),
      };
    });
  return mend(tasks);
}

function isMereOrder(spec: TaskSpec, id: string): boolean {
  const needed = spec.map?.over === id || findRefs(spec.args).refs.some((ref) => ref.id === id);
  const edge = mergeEdges(spec.dependsOn ?? []).find((dependency) => dependency.id === id);
  return !needed && edge?.reason === "order";
}

/** One edge for each task: the strongest reason, and optional only if all say so. */
function mergeEdges(edges: readonly (string | Dependency)[]): Dependency[] {
  const byId = new Map<string, Dependency>();
  for (const given of edges) {
    const edge = typeof given === "string" ? { id: given } : given;
    const known = byId.get(edge.id);
    if (!known) {
      byId.set(edge.id, edge);
      continue;
    }
    const { optional: _, ...stronger } = strength(edge) > strength(known) ? edge : known;
    byId.set(edge.id, { ...stronger, ...(known.optional && edge.optional && { optional: true }) });
  }
  return [...byId.values()];
}

function strength({ reason }: Dependency): number {
  return reason === "order" ? 0 : reason === "conflict" ? 1 : 2;
}

function isPlain({ reason, optional }: Dependency): boolean {
  return reason === undefined && optional === undefined;
}
