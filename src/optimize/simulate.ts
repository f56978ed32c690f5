import { NumberHeap } from "./number-heap.ts";
import type { WorkGraph } from "./work-graph.ts";

/** What tasks are handed out to. */
export interface Slots {
  /** Tasks that run at once. */
  readonly slots: number;
  /** Milliseconds that a slot spends on each task besides the task's own time. */
  readonly overheadMs: number;
}

/**
 * Simulates list scheduling: whenever a slot is free, the ready node with the largest priority starts; of equal ones
 * the one that was ready first. n log n.
 * @param timesMs how long each node takes
 * @param priorities undefined: in the order in which nodes are ready
 * @returns milliseconds from the first start to the last end
 */
export function simulate(
  graph: WorkGraph,
  timesMs: ArrayLike<number>,
  { slots, overheadMs, priorities }: Slots & { readonly priorities?: ArrayLike<number> | undefined },
): number {
  const left = graph.predecessorCounts.slice();
  const ready = new NumberHeap(graph.size);
  const running = new NumberHeap(graph.size);
  /** Nodes whose last predecessor is done. */
  const reached: number[] = [];
  const settle = (): void => {
    for (let node = reached.pop(); node !== undefined; node = reached.pop()) {
      if ((graph.taskOf[node] as number) >= 0) {
        ready.push(priorities ? -(priorities[node] as number) : 0, node);
      } else {
        reach(graph, node, { left, reached });
      }
    }
  };
  for (let node = graph.size - 1; node >= 0; node--) {
    if (left[node] === 0) {
      reached.push(node);
    }
  }
  settle();
  let now = 0;
  while (ready.size > 0 || running.size > 0) {
    while (ready.size > 0 && running.size < slots) {
      const node = ready.pop();
      running.push(now + overheadMs + (timesMs[node] as number), node);
    }
    now = running.smallest;
    while (running.smallest === now) {
      reach(graph, running.pop(), { left, reached });
    }
    settle();
  }
  return now;
}

/** Counts a done node down from its successors. The first of them is on top of `reached`. */
function reach(
  graph: WorkGraph,
  node: number,
  { left, reached }: { left: Int32Array; reached: number[] },
): void {
  const first = graph.offsets[node] as number;
  for (let arc = (graph.offsets[node + 1] as number) - 1; arc >= first; arc--) {
    const target = graph.targets[arc] as number;
    const rest = (left[target] as number) - 1;
    left[target] = rest;
    if (rest === 0) {
      reached.push(target);
    }
  }
}
