import type { ValidTaskGraph } from "../core/goal.ts";
import type { Json } from "../core/json.ts";
import {
  existing,
  hopRanks,
  type NodeSpec,
  PLAN,
  type Shape,
  type ShapeEdge,
  type ShapeNode,
} from "../core/shape.ts";
import { type TaskTree, type TreeTask, toTree } from "./task-tree.ts";

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
}

/** The nodes that stand for one task: where its dependencies lead, and what its dependents wait for. */
interface Ends {
  entry: number;
  exit: number;
}

/**
 * Turns a graph into the nodes and edges that a run grows by. A task is one node. A compound task is a gate, if it
 * has dependencies (subtasks are given what lies behind it), and a join over its leaves; a task to be decomposed is
 * a plan node and a join. Linear in tasks plus dependencies.
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

  constructor(tree: TaskTree, place: PlanPlace) {
    this.#tree = tree;
    this.#place = place;
  }

  build(): Shape {
    for (const [index, task] of this.#tree.tasks.entries()) {
      this.#addNodes(index, task);
    }
    const inner = this.#tasksThatSiblingsWaitFor();
    for (const [index, task] of this.#tree.tasks.entries()) {
      this.#addEdges(index, task);
      if (!inner.has(index)) {
        const join = task.parent < 0 ? existing(this.#place.join) : this.#endsOf(task.parent).exit;
        this.#connect(this.#endsOf(index).exit, join);
      }
    }
    this.#connectRoots();
    return this.#finish();
  }

  #addNodes(index: number, task: TreeTask): void {
    const { spec } = task;
    const compound = (spec.subtasks?.length ?? 0) > 0;
    if (!compound && !spec.decompose) {
      const node = this.#add(spec.id, spec.map ? "map" : "step", this.#specOf(task));
      this.#ends[index] = { entry: node, exit: node };
      return;
    }
    const join = this.#add(spec.id, "join", this.#specOf(task));
    if (compound) {
      // Without dependencies of its own or around it there is nothing to let through.
      const around = task.parent < 0 ? this.#place.parent !== undefined : this.#gates.has(task.parent);
      const gated = task.dependencies.length > 0 || around;
      if (gated) {
        this.#gates.set(index, this.#add(`/gate/${spec.id}`, "gate", {}));
      }
      this.#ends[index] = { entry: this.#gates.get(index) ?? -1, exit: join };
    } else {
      const plan = this.#add(`${PLAN}/${spec.id}`, "plan", { ...this.#specOf(task), parent: spec.id });
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
    };
  }

  #addEdges(index: number, task: TreeTask): void {
    const { entry } = this.#endsOf(index);
    for (const { id, reason, optional } of task.dependencies) {
      const source = this.#tree.byId.get(id);
      // A dependency outside the graph is a finished one: the plan node lets it through.
      if (source !== undefined && entry >= 0) {
        this.#connect(this.#endsOf(source).exit, entry, {
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
      this.#connect(existing(this.#place.position), entry, { reason: "gate" });
    }
  }

  /** A task is a leaf of what surrounds it unless something else in there waits for it. */
  #tasksThatSiblingsWaitFor(): Set<number> {
    const inner = new Set<number>();
    for (const [index, task] of this.#tree.tasks.entries()) {
      for (const { id } of task.dependencies) {
        const source = this.#tree.byId.get(id);
        if (source !== undefined && this.#isWithin(index, this.#tree.tasks[source]?.parent ?? -1)) {
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

  /** Nothing may be ready before the plan node is settled. */
  #connectRoots(): void {
    const entered = new Set([...this.#edges.values()].map((edge) => edge.dst));
    for (let node = 0; node < this.#nodes.length; node++) {
      if (!entered.has(node)) {
        this.#connect(existing(this.#place.position), node, { reason: "gate" });
      }
    }
  }

  #endsOf(index: number): Ends {
    return this.#ends[index] ?? { entry: -1, exit: -1 };
  }

  /** Of a task of this graph, or of one that was finished before. */
  #positionOf(id: string): number {
    const index = this.#tree.byId.get(id);
    if (index !== undefined) {
      return this.#endsOf(index).exit;
    }
    const input = this.#place.inputs?.find((candidate) => candidate.name === id);
    return existing(input?.position ?? 0);
  }

  #add(name: string, kind: ShapeNode["kind"], spec: NodeSpec): number {
    this.#nodes.push({ name, kind, spec });
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
        rank: ranks[index] ?? 0,
      })),
      edges,
      ...(this.#place.inputs && { letThrough: this.#place.inputs.map((input) => input.position) }),
    };
  }
}

/** What a planned run begins with: the plan node, and the end that waits for it. */
export function planShape(policy: Pick<NodeSpec, "maxAttempts" | "timeoutMs">): Shape {
  return {
    nodes: [
      { name: PLAN, kind: "plan", dependencies: 0, rank: 1, spec: { ...policy, depth: 0 } },
      { name: "/end", kind: "end", dependencies: 1, rank: 0, spec: {} },
    ],
    edges: [{ src: 0, dst: 1, reason: "order", optional: false }],
  };
}
