import { isCompound, type TaskTree } from "../core/task-tree.ts";

/** Elements of a map task if nobody knows better. */
export const DEFAULT_MAP_WIDTH = 8;
/** A wider map is simulated with fewer, longer elements. */
const MAX_SIMULATED_WIDTH = 64;

/** A graph of tasks as lists of numbers, for simulation. A node does work, or is passed at once. */
export interface WorkGraph {
  readonly size: number;
  /** The successors of node i are targets[offsets[i]] to targets[offsets[i + 1] - 1]. */
  readonly offsets: Int32Array;
  readonly targets: Int32Array;
  readonly predecessorCounts: Int32Array;
  /** The nodes, each after its predecessors. Shorter than size if there is a cycle. */
  readonly order: Int32Array;
  /** For each node the index of the task that it does, or does a part of; -1 for one that is passed at once. */
  readonly taskOf: Int32Array;
  /** For each node the share of its task's estimated time, for wide maps more than the whole. */
  readonly shareOf: Float64Array;
  /** For each task the node that its dependencies lead to, and the one that its dependents wait for. */
  readonly entryOf: Int32Array;
  readonly exitOf: Int32Array;
}

/**
 * The nodes and arcs of a tree, as the compiler makes them: a compound task is passed at once before and behind its
 * subtasks, every other task is one node. Linear.
 * @param mapWidth elements that a map task is expected to have: it is its elements between two nodes that are passed at
 * once. Left out: it is one node, too
 */
export function toWorkGraph(tree: TaskTree, mapWidth?: (taskId: string) => number | undefined): WorkGraph {
  const nodes = new Nodes(tree.tasks.length);
  for (const [index, { spec }] of tree.tasks.entries()) {
    if (spec.map && mapWidth && !isCompound(spec)) {
      nodes.addMap(index, widthOf(mapWidth(spec.id)), spec.map.concurrency ?? Number.POSITIVE_INFINITY);
    } else if ((spec.subtasks?.length ?? 0) > 0) {
      nodes.entryOf[index] = nodes.add(-1, 0);
      nodes.exitOf[index] = nodes.add(-1, 0);
      nodes.connect(nodes.entryOf[index], nodes.exitOf[index]);
    } else {
      nodes.entryOf[index] = nodes.exitOf[index] = nodes.add(index, 1);
    }
  }
  for (const [index, { parent, dependencies }] of tree.tasks.entries()) {
    if (parent >= 0) {
      nodes.connect(nodes.entryOf[parent] as number, nodes.entryOf[index] as number);
      nodes.connect(nodes.exitOf[index] as number, nodes.exitOf[parent] as number);
    }
    for (const { id } of dependencies) {
      const source = tree.byId.get(id);
      if (source !== undefined && source !== index) {
        nodes.connect(nodes.exitOf[source] as number, nodes.entryOf[index] as number);
      }
    }
  }
  return nodes.finish();
}

function widthOf(expected: number | undefined): number {
  return expected !== undefined && expected >= 1 && Number.isFinite(expected)
    ? Math.round(expected)
    : DEFAULT_MAP_WIDTH;
}

class Nodes {
  readonly entryOf: Int32Array;
  readonly exitOf: Int32Array;
  readonly #taskOf: number[] = [];
  readonly #shareOf: number[] = [];
  readonly #sources: number[] = [];
  readonly #targets: number[] = [];

  constructor(taskCount: number) {
    this.entryOf = new Int32Array(taskCount);
    this.exitOf = new Int32Array(taskCount);
  }

  add(task: number, share: number): number {
    this.#taskOf.push(task);
    this.#shareOf.push(share);
    return this.#taskOf.length - 1;
  }

  addMap(task: number, width: number, concurrency: number): void {
    const count = Math.min(width, MAX_SIMULATED_WIDTH);
    const entry = this.add(-1, 0);
    const elements = Array.from({ length: count }, () => this.add(task, width / count));
    const exit = this.add(-1, 0);
    for (const [index, element] of elements.entries()) {
      this.connect(elements[index - concurrency] ?? entry, element);
      this.connect(element, exit);
    }
    this.entryOf[task] = entry;
    this.exitOf[task] = exit;
  }

  connect(source: number, target: number): void {
    this.#sources.push(source);
    this.#targets.push(target);
  }

  finish(): WorkGraph {
    const size = this.#taskOf.length;
    const offsets = new Int32Array(size + 1);
    const predecessorCounts = new Int32Array(size);
    for (const [arc, source] of this.#sources.entries()) {
      offsets[source + 1] = (offsets[source + 1] as number) + 1;
      const target = this.#targets[arc] as number;
      predecessorCounts[target] = (predecessorCounts[target] as number) + 1;
    }
    for (let node = 0; node < size; node++) {
      offsets[node + 1] = (offsets[node + 1] as number) + (offsets[node] as number);
    }
    const targets = new Int32Array(this.#targets.length);
    const next = offsets.slice();
    for (const [arc, source] of this.#sources.entries()) {
      const at = next[source] as number;
      targets[at] = this.#targets[arc] as number;
      next[source] = at + 1;
    }
    const arcs = { offsets, targets, predecessorCounts };
    return {
      size,
      ...arcs,
      order: orderOf(arcs),
      taskOf: Int32Array.from(this.#taskOf),
      shareOf: Float64Array.from(this.#shareOf),
      entryOf: this.entryOf,
      exitOf: this.exitOf,
    };
  }
}

/** Kahn, 1962. */
function orderOf({
  offsets,
  targets,
  predecessorCounts,
}: Pick<WorkGraph, "offsets" | "targets" | "predecessorCounts">): Int32Array {
  const left = predecessorCounts.slice();
  const order = new Int32Array(left.length);
  let count = 0;
  for (let node = 0; node < left.length; node++) {
    if (left[node] === 0) {
      order[count++] = node;
    }
  }
  for (let next = 0; next < count; next++) {
    const node = order[next] as number;
    for (let arc = offsets[node] as number; arc < (offsets[node + 1] as number); arc++) {
      const target = targets[arc] as number;
      const rest = (left[target] as number) - 1;
      left[target] = rest;
      if (rest === 0) {
        order[count++] = target;
      }
    }
  }
  return order.slice(0, count);
}
