/** The order of an acyclic graph, or a cycle in it. */
export interface Topology {
  /** Nodes in an order in which each comes after its predecessors; those on and behind cycles are missing. */
  readonly order: readonly number[];
  /** For each node of the order the length of the longest way to it. */
  readonly levels: readonly number[];
  /** The nodes of one cycle, in the direction of its arcs; undefined if there is none. */
  readonly cycle: readonly number[] | undefined;
}

/**
 * Orders a graph given as successor lists (Kahn, 1962). Linear in nodes plus arcs; never recurses.
 * @param weigh how much a node adds to the length of a way through it
 */
export function sortTopologically(
  successors: readonly (readonly number[])[],
  weigh: (node: number) => number = () => 1,
): Topology {
  const predecessorsLeft = new Array<number>(successors.length).fill(0);
  for (const targets of successors) {
    for (const target of targets) {
      predecessorsLeft[target] = (predecessorsLeft[target] ?? 0) + 1;
    }
  }
  const levels = new Array<number>(successors.length).fill(0);
  const order = predecessorsLeft.flatMap((left, node) => (left === 0 ? [node] : []));
  for (let next = 0; next < order.length; next++) {
    const node = order[next] ?? 0;
    for (const target of successors[node] ?? []) {
      levels[target] = Math.max(levels[target] ?? 0, (levels[node] ?? 0) + weigh(node));
      predecessorsLeft[target] = (predecessorsLeft[target] ?? 0) - 1;
      if (predecessorsLeft[target] === 0) {
        order.push(target);
      }
    }
  }
  const cycle = order.length < successors.length ? findCycle(successors, predecessorsLeft) : undefined;
  return { order, levels, cycle };
}

/** Every node that is left has a predecessor that is left: walking backwards must meet a node again. */
function findCycle(successors: readonly (readonly number[])[], left: readonly number[]): number[] {
  const someLeftPredecessor = new Map<number, number>();
  for (const [node, targets] of successors.entries()) {
    for (const target of (left[node] ?? 0) > 0 ? targets : []) {
      someLeftPredecessor.set(target, node);
    }
  }
  const walk: number[] = [];
  const seen = new Map<number, number>();
  let node = left.findIndex((count) => count > 0);
  while (!seen.has(node)) {
    seen.set(node, walk.length);
    walk.push(node);
    node = someLeftPredecessor.get(node) ?? node;
  }
  return walk.slice(seen.get(node)).reverse();
}
