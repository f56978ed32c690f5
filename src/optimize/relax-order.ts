import type { Dependency } from "../core/goal.ts";
import type { TaskTree, TreeTask } from "../core/task-tree.ts";
import { BitRows } from "./bit-rows.ts";
import { OutputGuard } from "./output-guard.ts";
import { effectsOf, isLeaf, needsApproval, type StepInfo, type TaskEffects } from "./task-facts.ts";
import type { WorkGraph } from "./work-graph.ts";

/** Beyond so many tasks the tables of who is before whom would take too much memory. */
const MAX_TASKS = 20_000;

/** Order edges that need not be, and those that take over what they held together. */
export interface RelaxedOrder {
  readonly dropped: readonly { readonly from: string; readonly to: string }[];
  readonly added: readonly { readonly from: string; readonly to: string }[];
  /** The dependencies of the tasks that have others now. */
  readonly dependsOn: ReadonlyMap<string, readonly Dependency[]>;
}

const NOTHING: RelaxedOrder = { dropped: [], added: [], dependsOn: new Map() };

/**
 * Drops order between tasks whose declared effects allow it (de-ordering). An edge is dropped only if it has the reason
 * "order", both its tasks declare what they read and write, neither writes what the other touches, no person is asked
 * in between, and a failure of the first fails the run. Whatever was ordered by way of such an edge and has to stay so,
 * since one of the two writes what the other touches or does not declare what it touches, is ordered by a conflict edge
 * instead. So any order that is allowed afterwards leads to the same state. n² / 32 in the number of tasks.
 * @param graph of the tree, each leaf task one node
 */
export function relaxOrder(tree: TaskTree, graph: WorkGraph, stepInfo: StepInfo): RelaxedOrder {
  const effects = tree.tasks.map(({ spec }) =>
    isLeaf(spec) && !needsApproval(spec, stepInfo) ? effectsOf(spec, stepInfo) : undefined,
  );
  const dropped = findFalseOrder(tree, effects);
  if (dropped.length === 0 || tree.tasks.length > MAX_TASKS) {
    return NOTHING;
  }
  const added = findLostOrder({ tree, graph, effects }, dropped);
  const guard = new OutputGuard(tree);
  if (added.some(({ from, to }) => guard.hides(from, to))) {
    return NOTHING;
  }
  const dependsOn = new Map<string, readonly Dependency[]>();
  const [gone, come] = [sourcesByTarget(dropped), sourcesByTarget(added)];
  for (const index of new Set([...gone.keys(), ...come.keys()])) {
    const { spec, dependencies } = tree.tasks[index] as TreeTask;
    const without = new Set(gone.get(index));
    dependsOn.set(spec.id, [
      ...dependencies.filter(({ id }) => !without.has(tree.byId.get(id) ?? -1)),
      ...(come.get(index) ?? []).map((from): Dependency => ({ id: idOf(tree, from), reason: "conflict" })),
    ]);
  }
  const named = ({ from, to }: Edge): { from: string; to: string } => ({
    from: idOf(tree, from),
    to: idOf(tree, to),
  });
  return { dropped: dropped.map(named), added: added.map(named), dependsOn };
}

/** Indexes of tasks. */
interface Edge {
  readonly from: number;
  readonly to: number;
}

function sourcesByTarget(edges: readonly Edge[]): Map<number, number[]> {
  const sources = new Map<number, number[]>();
  for (const { from, to } of edges) {
    note(sources, to, from);
  }
  return sources;
}

type Effects = readonly (TaskEffects | undefined)[];

function findFalseOrder(tree: TaskTree, effects: Effects): Edge[] {
  const guard = new OutputGuard(tree);
  return tree.tasks.flatMap(({ dependencies }, to) =>
    dependencies.flatMap(({ id, reason, optional }): Edge[] => {
      const from = tree.byId.get(id) ?? -1;
      const [before, after] = [effects[from], effects[to]];
      const onExhausted = tree.tasks[from]?.spec.onExhausted ?? "fail";
      const isFalse = reason === "order" && !optional && onExhausted === "fail" && before && after;
      return isFalse && !clash(before, after) && guard.release(from, to) ? [{ from, to }] : [];
    }),
  );
}

function clash(one: TaskEffects, other: TaskEffects): boolean {
  return (
    one.writes.some((name) => other.reads.includes(name) || other.writes.includes(name)) ||
    other.writes.some((name) => one.reads.includes(name))
  );
}

/**
 * Goes through the nodes in order and compares what was before each task with what still is; what is missing and may not
 * be is added, the latest first, so that it brings what is before it along.
 */
function findLostOrder(
  { tree, graph, effects }: { tree: TaskTree; graph: WorkGraph; effects: Effects },
  dropped: readonly Edge[],
): Edge[] {
  const gone = new Set(dropped.map(({ from, to }) => arcKey(graph, { from, to })));
  const { rankOf, taskAt } = ranksOfLeaves(tree, graph);
  const count = taskAt.length;
  const before = new BitRows(graph.size, count);
  const after = new BitRows(graph.size, count);
  const mask = new BitRows(1, count);
  const claims = new Claims(effects, rankOf);
  const added: Edge[] = [];
  for (const node of graph.order) {
    const task = graph.taskOf[node] as number;
    if (task >= 0) {
      claims.markInto(mask, task);
      const sets = { mask: { rows: mask, row: 0 }, except: { rows: after, row: node } };
      for (let lost = before.lastOf(node, count, sets); lost >= 0; lost = before.lastOf(node, lost, sets)) {
        const from = taskAt[lost] as number;
        added.push({ from, to: task });
        after.add(node, graph.exitOf[from] as number);
        after.set(node, lost);
      }
    }
    for (let arc = graph.offsets[node] as number; arc < (graph.offsets[node + 1] as number); arc++) {
      const target = graph.targets[arc] as number;
      const kept = !gone.has(node * graph.size + target);
      for (const rows of kept ? [before, after] : [before]) {
        rows.add(target, node);
        if (task >= 0) {
          rows.set(target, rankOf[task] as number);
        }
      }
    }
  }
  return added;
}

function arcKey(graph: WorkGraph, { from, to }: Edge): number {
  return (graph.exitOf[from] as number) * graph.size + (graph.entryOf[to] as number);
}

/** Numbers the tasks that do work in the order of the nodes. */
function ranksOfLeaves(tree: TaskTree, graph: WorkGraph): { rankOf: Int32Array; taskAt: number[] } {
  const rankOf = new Int32Array(tree.tasks.length).fill(-1);
  const taskAt: number[] = [];
  for (const node of graph.order) {
    const task = graph.taskOf[node] as number;
    if (task >= 0) {
      rankOf[task] = taskAt.length;
      taskAt.push(task);
    }
  }
  return { rankOf, taskAt };
}

/** Which tasks may not change places with which. */
class Claims {
  readonly #effects: Effects;
  readonly #rankOf: Int32Array;
  readonly #readers = new Map<string, number[]>();
  readonly #writers = new Map<string, number[]>();
  /** Tasks that may touch anything. */
  readonly #unknown: number[] = [];

  constructor(effects: Effects, rankOf: Int32Array) {
    this.#effects = effects;
    this.#rankOf = rankOf;
    for (const [task, declared] of effects.entries()) {
      if (rankOf[task] === -1) {
        continue;
      }
      if (!declared) {
        this.#unknown.push(task);
      }
      for (const name of declared?.reads ?? []) {
        note(this.#readers, name, task);
      }
      for (const name of declared?.writes ?? []) {
        note(this.#writers, name, task);
      }
    }
  }

  /** Sets the bit of every task that may not change places with the given one. */
  markInto(mask: BitRows, task: number): void {
    mask.clear(0);
    const declared = this.#effects[task];
    const others = declared
      ? [
          this.#unknown,
          ...declared.reads.map((name) => this.#writers.get(name) ?? []),
          ...declared.writes.flatMap((name) => [
            this.#writers.get(name) ?? [],
            this.#readers.get(name) ?? [],
          ]),
        ]
      : [this.#effects.keys()];
    for (const some of others) {
      for (const other of some) {
        const rank = this.#rankOf[other] as number;
        if (rank >= 0) {
          mask.set(0, rank);
        }
      }
    }
  }
}

function note<Key>(map: Map<Key, number[]>, name: Key, task: number): void {
  const tasks = map.get(name);
  if (tasks) {
    tasks.push(task);
  } else {
    map.set(name, [task]);
  }
}

function idOf(tree: TaskTree, index: number): string {
  return tree.tasks[index]?.spec.id ?? "";
}
