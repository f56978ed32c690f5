import type { WorkGraph } from "./work-graph.ts";

/**
 * For each node the longest way from its start to the end, its own time included (upward rank: Topcuoglu et al., 2002).
 * Linear.
 * @param timesMs how long each node takes
 */
export function upwardRanks(graph: WorkGraph, timesMs: ArrayLike<number>): Float64Array {
  const ranks = new Float64Array(graph.size);
  for (let at = graph.order.length - 1; at >= 0; at--) {
    const node = graph.order[at] as number;
    let longest = 0;
    for (let arc = graph.offsets[node] as number; arc < (graph.offsets[node + 1] as number); arc++) {
      longest = Math.max(longest, ranks[graph.targets[arc] as number] as number);
    }
    ranks[node] = longest + (timesMs[node] as number);
  }
  return ranks;
}

/** For each node the longest way to its start: the soonest that it can begin with slots for all. Linear. */
export function earliestStarts(graph: WorkGraph, timesMs: ArrayLike<number>): Float64Array {
  const starts = new Float64Array(graph.size);
  for (const node of graph.order) {
    const end = (starts[node] as number) + (timesMs[node] as number);
    for (let arc = graph.offsets[node] as number; arc < (graph.offsets[node + 1] as number); arc++) {
      const target = graph.targets[arc] as number;
      starts[target] = Math.max(starts[target] as number, end);
    }
  }
  return starts;
}

/** The longest way through a graph. */
export interface CriticalPath {
  readonly lengthMs: number;
  /** Its nodes, from the start. */
  readonly nodes: readonly number[];
}

/** Of equally long ways, the one through the nodes with the smallest numbers. Linear. */
export function criticalPathOf(graph: WorkGraph, timesMs: ArrayLike<number>): CriticalPath {
  const ranks = upwardRanks(graph, timesMs);
  let node = -1;
  for (let candidate = 0; candidate < graph.size; candidate++) {
    if (graph.predecessorCounts[candidate] === 0 && isLonger(ranks, candidate, node)) {
      node = candidate;
    }
  }
  const lengthMs = node < 0 ? 0 : (ranks[node] as number);
  const nodes: number[] = [];
  while (node >= 0) {
    nodes.push(node);
    let next = -1;
    for (let arc = graph.offsets[node] as number; arc < (graph.offsets[node + 1] as number); arc++) {
      const target = graph.targets[arc] as number;
      if (isLonger(ranks, target, next)) {
        next = target;
      }
    }
    node = next;
  }
  return { lengthMs, nodes };
}

function isLonger(ranks: Float64Array, node: number, than: number): boolean {
  const difference = (ranks[node] as number) - (than < 0 ? -1 : (ranks[than] as number));
  return difference > 0 || (difference === 0 && node < than);
}
