import type { ValidTaskGraph } from "../core/goal.ts";
import type { Json } from "../core/json.ts";
import type { DispatchHint } from "../core/optimizer.ts";
import {
  existing,
  hopRanks,
  type NodeSpec,
  PLAN,
  type Shape,
  type ShapeEdge,
  type ShapeNode,
  type TaskHint,
} from "../core/shape.ts";
import { type TaskTree, type TreeTask, toTree } from "../core/task-tree.ts";

/** Where a graph joins the run that planned it. */
export interface PlanPlace {
  /** Position of the plan node. */
  readonly position: number;
  /** Position of the join or end node that the graph's leaves lead into. */
  readonly join: number;
  /** Levels above the graph's tasks. */
  readonly depth: number;
  /** The task that was decomposed; undefined for the goal itself. */
  readonly parent?: string;
  /** The nodes whose outputs the plan node is given, and lets through. */
  readonly inputs?: readonly { readonly name: string; readonly position: number }[];
  /** Positions of the joins around the graph, outermost first. Default: the one that it leads into. */
  readonly within?: readonly number[];
  /** Tasks that the run has already, by id: what is in the graph of them is not made again. */
  readonly known?: ReadonlyMap<string, number>;
  /** The graph is a part of one that is still being planned: the name of the gate that its tasks wait for. */
  readonly gate?: string;
  /** Which plan it is, if not the first. */
  readonly version?: number;
  /** How its tasks are dispatched. Default: the longest way left in tasks first, and nothing else. */
  readonly dispatch?: Dispatch | undefined;
}

/** What the optimizer made of a graph, for the nodes that stand for it. */
export interface Dispatch {
  /** Equal for graphs whose tasks are alike: see NodeSpec. */
  readonly shape: string;
  readonly hints: ReadonlyMap<string, DispatchHint>;
  /** Tasks that others stand for. */
  readonly mergedInto: ReadonlyMap<string, string>;
}

/** The nodes that stand for one task: where its dependencies lead, and what its dependents wait for. */
interface Ends {
  entry: number;
  exit: number;
}

/**
 * Turns a graph into the nodes and edges that a run grows by. A task is one node. A compound task is a gate, if it
 * has dependencies (subtasks are given what lies behind it), and a join over its leaves; a task to be decomposed is
 * a plan node and a join. Linear in tasks plus dependencies. Of a graph
 * that the run has in part, the rest is made, and the last tasks of all of it lead into the join.
 */
export function compileGraph(graph: ValidTaskGraph, place: PlanPlace): Shape {
  const tree = toTree(graph.tasks);
  const builder = new ShapeBuilder(tree, place);
  return builder.build();
}

class ShapeBuilder {
  readonly #tree: TaskTree;
  readonly #place: PlanPlace;
  readonly #nodes: Omit<ShapeNode, "dependencies" | "rank">[] = [];
  readonly #edges = new Map<string, ShapeEdge>();
  readonly #ends: Ends[] = [];
  /** The gate of each compound task, if it has one. */
  readonly #gates = new Map<number, number>();
  /** The joins around the subtasks of each compound task. */
  readonly #within = new Map<number, readonly number[]>();
  /** What the first tasks wait for. */
  #anchor: number;

  constructor(tree: TaskTree, place: PlanPlace) {
    this.#tree = tree;
    this.#place = place;
    this.#anchor = existing(place.position);
    this.#within.set(-1, (place.within ?? [place.join]).map(existing));
  }

  build(): Shape {
    const { gate, inputs = [] } = this.#place;
    if (gate !== undefined) {
      this.#anchor = this.#add({ name: gate, kind: "gate", spec: {}, within: this.#withinOf(-1) });
      for (const { position } of inputs) {
        this.#connect(existing(position), this.#anchor);
      }
    }
    for (const [index, task] of this.#tree.tasks.entries()) {
      this.#addNodes(index, task);
    }
    const inner = this.#tasksThatSiblingsWaitFor();
    for (const [index, task] of this.#tree.tasks.entries()) {
      this.#addEdges(index, task);
      if (!inner.has(index)) {
        this.#connectLeaf(index, task);
      }
    }
    this.#connectRoots();
    return this.#finish();
  }

  /** What a part of a plan leads to is known when the plan is whole. */
  #connectLeaf(index: number, { parent, spec }: TreeTask): void {
    if (parent >= 0 && !this.#place.known?.has(spec.id)) {
      this.#connect(this.#endsOf(index).exit, this.#endsOf(parent).exit);
    } else if (parent < 0 && this.#place.gate === undefined) {
      this.#connect(this.#endsOf(index).exit, existing(this.#place.join));
    }
  }

  #addNodes(index: number, task: TreeTask): void {
    const { spec } = task;
    const known = this.#place.known?.get(spec.id);
    if (known !== undefined) {
      this.#ends[index] = { entry: -1, exit: existing(known) };
      return;
    }
    const within = this.#withinOf(task.parent);
    const compound = (spec.subtasks?.length ?? 0) > 0;
    if (!compound && !spec.decompose) {
      const kind = spec.map ? "map" : "step";
      const node = this.#add({ name: spec.id, kind, spec: this.#specOf(task), within });
      this.#ends[index] = { entry: node, exit: node };
      return;
    }
    const join = this.#add({ name: spec.id, kind: "join", spec: this.#specOf(task), within });
    const inside = [...within, join];
    this.#within.set(index, inside);
    if (compound) {
      // Without dependencies of its own or around it there is nothing to let through.
      const around = task.parent < 0 ? this.#place.parent !== undefined : this.#gates.has(task.parent);
      const gated = task.dependencies.length > 0 || around;
      if (gated) {
        this.#gates.set(
          index,
          this.#add({ name: `/gate/${spec.id}`, kind: "gate", spec: {}, within: inside }),
        );
      }
      this.#ends[index] = { entry: this.#gates.get(index) ?? -1, exit: join };
    } else {
      const plan = this.#add({
        name: `${PLAN}/${spec.id}`,
        kind: "plan",
        spec: { ...this.#specOf(task), parent: spec.id },
        within: inside,
      });
      this.#connect(plan, join);
      this.#ends[index] = { entry: plan, exit: join };
    }
  }

  #specOf({ spec, parent, depth }: TreeTask): NodeSpec {
    const around = parent < 0 ? this.#place.parent : this.#tree.tasks[parent]?.spec.id;
    return {
      description: spec.description,
      depth: depth + this.#place.depth,
      ...(spec.step !== undefined && { step: spec.step }),
      ...(spec.args !== undefined && { args: spec.args as Json }),
      ...(around !== undefined && { parent: around }),
      ...(spec.maxAttempts !== undefined && { maxAttempts: spec.maxAttempts }),
      ...(spec.timeoutMs !== undefined && { timeoutMs: spec.timeoutMs }),
      ...(spec.onExhausted !== undefined && { onExhausted: spec.onExhausted }),
      ...(spec.map && { over: spec.map.over }),
      ...(spec.map?.concurrency !== undefined && { concurrency: spec.map.concurrency }),
      ...(spec.approval && { approval: true }),
      ...this.#learned(spec.id),
      ...(parent < 0 && this.#place.version !== undefined && { version: this.#place.version }),
    };
  }

  #learned(id: string): Pick<NodeSpec, "shape" | "hint" | "same"> {
    const { dispatch } = this.#place;
    const hint = dispatch?.hints.get(id);
    const same = dispatch?.mergedInto.get(id);
    const { rank: _, ...learned } = hint ?? {};
    const isEmpty = Object.values(learned).every((value) => value === undefined);
    return {
      ...(dispatch && { shape: dispatch.shape }),
      ...(!isEmpty && { hint: learned as TaskHint }),
      ...(same !== undefined && { same }),
    };
  }

  #addEdges(index: number, task: TreeTask): void {
    const { entry } = this.#endsOf(index);
    for (const { id, reason, optional } of task.dependencies) {
      // Other dependencies outside the graph are finished ones: the plan node lets them through.
      const source = this.#exitOf(id);
      if (source !== undefined && entry >= 0) {
        this.#connect(source, entry, {
          reason: reason ?? "data",
          optional: optional ?? false,
        });
      }
    }
    const gate = this.#gates.get(task.parent);
    if (gate !== undefined && entry >= 0) {
      this.#connect(gate, entry, { reason: "gate" });
    }
    if (task.parent < 0 && this.#place.parent !== undefined && entry >= 0) {
      this.#connect(this.#anchor, entry, { reason: "gate" });
    }
  }

  /** What those wait for that depend on a task of the graph or of the run. */
  #exitOf(id: string): number | undefined {
    const index = this.#tree.byId.get(id);
    const known = this.#place.known?.get(id);
    return index !== undefined ? this.#endsOf(index).exit : known === undefined ? undefined : existing(known);
  }

  /** A task is a leaf of what surrounds it unless something else in there waits for it. */
  #tasksThatSiblingsWaitFor(): Set<number> {
    const inner = new Set<number>();
    for (const [index, task] of this.#tree.tasks.entries()) {
      const same = this.#place.dispatch?.mergedInto.get(task.spec.id);
      for (const { id } of task.dependencies) {
        const source = this.#tree.byId.get(id);
        // Who only takes a task's output as its own is no reason that it is no result.
        if (
          source !== undefined &&
          id !== same &&
          this.#isWithin(index, this.#tree.tasks[source]?.parent ?? -1)
        ) {
          inner.add(source);
        }
      }
    }
    return inner;
  }

  #isWithin(index: number, ancestor: number): boolean {
    let at = index;
    while (at >= 0 && at !== ancestor) {
      at = this.#tree.tasks[at]?.parent ?? -1;
    }
    return at === ancestor;
  }

  /** Nothing may be ready before the plan node is settled, or the part of the plan is stored. */
  #connectRoots(): void {
    const entered = new Set([...this.#edges.values()].filter(({ src }) => src >= 0).map((edge) => edge.dst));
    for (let node = 0; node < this.#nodes.length; node++) {
      if (!entered.has(node) && node !== this.#anchor) {
        this.#connect(this.#anchor, node, { reason: "gate" });
      }
    }
  }

  #withinOf(parent: number): readonly number[] {
    return this.#within.get(parent) ?? [];
  }

  #endsOf(index: number): Ends {
    return this.#ends[index] ?? { entry: -1, exit: -1 };
  }

  /** Of a task of this graph, or of one that was finished before. */
  #positionOf(id: string): number {
    const exit = this.#exitOf(id);
    if (exit !== undefined) {
      return exit;
    }
    const input = this.#place.inputs?.find((candidate) => candidate.name === id);
    return existing(input?.position ?? 0);
  }

  #add(node: Omit<ShapeNode, "dependencies" | "rank">): number {
    this.#nodes.push(node);
    return this.#nodes.length - 1;
  }

  #connect(src: number, dst: number, edge: { reason?: ShapeEdge["reason"]; optional?: boolean } = {}): void {
    const key = `${src}>${dst}`;
    if (!this.#edges.has(key)) {
      this.#edges.set(key, { src, dst, reason: edge.reason ?? "data", optional: edge.optional ?? false });
    }
  }

  #finish(): Shape {
    const edges = [...this.#edges.values()];
    const ranks = hopRanks(this.#nodes.length, edges);
    const dependencies = new Array<number>(this.#nodes.length).fill(0);
    for (const { dst } of edges) {
      if (dst >= 0) {
        dependencies[dst] = (dependencies[dst] ?? 0) + 1;
      }
    }
    return {
      nodes: this.#nodes.map((node, index) => ({
        ...node,
        ...(node.spec.over !== undefined && { mapOver: this.#positionOf(node.spec.over) }),
        dependencies: dependencies[index] ?? 0,
        rank: this.#place.dispatch?.hints.get(node.name)?.rank ?? ranks[index] ?? 0,
      })),
      edges,
      ...(this.#place.inputs && { letThrough: this.#place.inputs.map((input) => input.position) }),
    };
  }
}

/** What a planned run begins with: the plan node, and the end that waits for it. */
export function planShape(policy: Pick<NodeSpec, "maxAttempts" | "timeoutMs">, maxReplans?: number): Shape {
  return {
    maxReplans,
    nodes: [
      { name: PLAN, kind: "plan", dependencies: 0, rank: 1, spec: { ...policy, depth: 0 }, within: [1] },
      { name: "/end", kind: "end", dependencies: 1, rank: 0, spec: {} },
    ],
    edges: [{ src: 0, dst: 1, reason: "order", optional: false }],
  };
}
