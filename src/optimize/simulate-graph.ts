import type { TaskGraph } from "../core/goal.ts";
import { toTree } from "../core/task-tree.ts";
import { headBodyTailBound } from "./lower-bound.ts";
import { criticalPathOf } from "./ranks.ts";
import { simulate } from "./simulate.ts";
import { toWorkGraph } from "./work-graph.ts";

export interface SimulateOptions {
  /** Milliseconds that each leaf task takes; a map task is one. Default of a task that is left out: 0. */
  readonly timesMs: ReadonlyMap<string, number>;
  /** Larger is sooner. Left out: ready tasks start in the order in which they became ready. */
  readonly ranks?: ReadonlyMap<string, number> | undefined;
  /** Tasks at once. Default 10. */
  readonly slots?: number | undefined;
  /** Milliseconds that handing out one task takes. Default 0. */
  readonly overheadMs?: number | undefined;
}

/** How a simulated run went. */
export interface SimulatedRun {
  /** From the first start to the last end, in milliseconds. */
  readonly makespanMs: number;
  /** No order of the tasks ends sooner on so many slots, nothing for handing out counted. */
  readonly boundMs: number;
  readonly workMs: number;
  readonly criticalPathMs: number;
}

/** Carries a graph out on paper: whenever one of the slots is free, the first of the ready tasks starts. */
export function simulateGraph({ tasks }: TaskGraph, options: SimulateOptions): SimulatedRun {
  const { timesMs, ranks, slots = 10, overheadMs = 0 } = options;
  const tree = toTree(tasks);
  const graph = toWorkGraph(tree);
  const byNode = (values: ReadonlyMap<string, number>): Float64Array =>
    Float64Array.from(graph.taskOf, (task) => values.get(tree.tasks[task]?.spec.id ?? "") ?? 0);
  const times = byNode(timesMs);
  return {
    makespanMs: simulate(graph, times, { slots, overheadMs, priorities: ranks && byNode(ranks) }),
    boundMs: headBodyTailBound(graph, times, slots),
    workMs: times.reduce((sum, ms) => sum + ms, 0),
    criticalPathMs: criticalPathOf(graph, times).lengthMs,
  };
}
