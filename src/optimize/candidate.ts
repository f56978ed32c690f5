import type { TaskSpec } from "../core/goal.ts";
import { type TaskTree, toTree } from "../core/task-tree.ts";
import { nodeTimes, type TaskTimes } from "./draw-times.ts";
import { upwardRanks } from "./ranks.ts";
import type { Settings } from "./settings.ts";
import { simulate } from "./simulate.ts";
import { toWorkGraph, type WorkGraph } from "./work-graph.ts";

/** What a tie between ranks is broken by is smaller than any difference of ranks that counts. */
const TIE = 1e-6;

/** The tasks of a graph in the forms that planning needs. */
export interface PlannedTasks {
  readonly tasks: readonly TaskSpec[];
  readonly tree: TaskTree;
  /** With the expected elements of its maps. */
  readonly graph: WorkGraph;
}

/** A graph and an order of its tasks, that could be adopted. */
export interface Candidate extends PlannedTasks {
  /** For people: how the order was made. */
  readonly name: string;
  /** By node; larger is sooner. */
  readonly priorities: Float64Array;
}

export function planTasks(tasks: readonly TaskSpec[], settings: Pick<Settings, "mapWidth">): PlannedTasks {
  const tree = toTree(tasks);
  return { tasks, tree, graph: toWorkGraph(tree, settings.mapWidth) };
}

/** The longest way left in tasks: what an order can be made from if nothing is known. */
export function hopPriorities({ graph }: PlannedTasks): Float64Array {
  return priorities(
    graph,
    Float64Array.from(graph.taskOf, (task) => (task < 0 ? 0 : 1)),
  );
}

/** The longest way left in milliseconds. */
export function timePriorities({ graph }: PlannedTasks, times: TaskTimes): Float64Array {
  return priorities(graph, nodeTimes(graph, times));
}

/** Of equal ways the task first that more others wait for. */
function priorities(graph: WorkGraph, timesMs: Float64Array): Float64Array {
  return upwardRanks(graph, timesMs).map(
    (rank, node) => rank + TIE * ((graph.offsets[node + 1] as number) - (graph.offsets[node] as number)),
  );
}

/** How long each draw takes in the order of the candidate. */
export function makespans(
  candidate: Pick<Candidate, "graph" | "priorities">,
  draws: readonly TaskTimes[],
  { slots, overheadMs }: Pick<Settings, "slots" | "overheadMs">,
): number[] {
  const { graph, priorities: own } = candidate;
  return draws.map((draw) => simulate(graph, nodeTimes(graph, draw), { slots, overheadMs, priorities: own }));
}

export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The value that a share of the values is not above (nearest rank). */
export function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? 0;
}
