import { earliestStarts, upwardRanks } from "./ranks.ts";
import type { WorkGraph } from "./work-graph.ts";

/** More distinct heads than these are thinned out: the bound stays one, a little lower. */
const MAX_HEADS = 400;

/**
 * What no order of the tasks can stay below on so many slots: for every set of tasks, its smallest head (the longest way
 * to one of them), its work shared by the slots, and its smallest tail (Carlier, 1982). The sets are those with a head and
 * a tail above thresholds. n × heads.
 */
export function headBodyTailBound(graph: WorkGraph, timesMs: ArrayLike<number>, slots: number): number {
  const heads = earliestStarts(graph, timesMs);
  const ranks = upwardRanks(graph, timesMs);
  const nodes = [...graph.order].filter((node) => (graph.taskOf[node] as number) >= 0);
  const tailOf = (node: number): number => (ranks[node] as number) - (timesMs[node] as number);
  nodes.sort((one, other) => tailOf(other) - tailOf(one));
  let bound = 0;
  for (const head of thin([...new Set(nodes.map((node) => heads[node] as number))])) {
    let workMs = 0;
    for (const node of nodes) {
      if ((heads[node] as number) >= head) {
        const timeMs = timesMs[node] as number;
        workMs += timeMs;
        bound = Math.max(
          bound,
          head + workMs / slots + tailOf(node),
          (heads[node] as number) + timeMs + tailOf(node),
        );
      }
    }
  }
  return bound;
}

function thin(heads: number[]): number[] {
  heads.sort((one, other) => one - other);
  const step = Math.max(1, heads.length / MAX_HEADS);
  return heads.length <= MAX_HEADS
    ? heads
    : Array.from({ length: MAX_HEADS }, (_, index) => heads[Math.floor(index * step)] as number);
}
