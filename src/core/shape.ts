import type { Json } from "./json.ts";

/** What a node of a definition is: see migrations/0001_engine.sql. */
export type NodeKind = "step" | "map" | "plan" | "gate" | "join" | "end";

/** Names of nodes that no task has: `/` is not allowed in ids. */
export const END = "/end";
export const PLAN = "/plan";

/** A node of a definition. Its position is its index in {@link Shape.nodes}, from the first one added. */
export interface ShapeNode {
  readonly name: string;
  readonly kind: NodeKind;
  /** How many edges lead into it. */
  readonly dependencies: number;
  /** Larger is sooner, among the tasks of one run: the longest way to the end. */
  readonly rank: number;
  /** What the code needs to carry it out; opaque to the engine. */
  readonly spec: NodeSpec;
  /** Of a map: the position of the node whose output it goes over; absent: the run's input. */
  readonly mapOver?: number;
  /** Of a map: how many items are carried out at once. */
  readonly mapConcurrency?: number;
  /** Of a map: what it goes over, if that is fixed. */
  readonly mapItems?: readonly Json[];
}

/** The part of a node that the database keeps for the code. */
export interface NodeSpec {
  /** The step that does it, if not the node's name. */
  readonly step?: string;
  readonly description?: string;
  readonly args?: Json;
  /** The compound task it is in. */
  readonly parent?: string;
  /** Levels of nesting, from 1. */
  readonly depth?: number;
  readonly maxAttempts?: number;
  readonly timeoutMs?: number;
  readonly retry?: {
    readonly baseMs?: number;
    readonly factor?: number;
    readonly maxDelayMs?: number;
    readonly jitter?: boolean;
  };
}

/** src and dst are positions: 0… of this shape, {@link existing} ones of the definition it is added to. */
export interface ShapeEdge {
  readonly src: number;
  readonly dst: number;
  readonly reason: "data" | "order" | "conflict" | "gate";
  readonly optional: boolean;
}

/** A definition, or what one grows by. */
export interface Shape {
  readonly nodes: readonly ShapeNode[];
  readonly edges: readonly ShapeEdge[];
}

/** How an edge of an extension names a node that is there already. */
export function existing(position: number): number {
  return -1 - position;
}

/** A shape as the database functions take it. */
export function shapeToRows(shape: Shape): Json {
  return [
    shape.nodes.map(({ name, kind, dependencies, rank, spec }) => [
      name,
      kind,
      dependencies,
      -rank,
      null,
      spec.step ?? null,
    ]),
    shape.nodes.map((node) => node.spec as Json),
    shape.edges.map((edge) => [edge.src, edge.dst, edge.reason, edge.optional]),
  ];
}

/**
 * For each node the number of edges on the longest way to a node without successors (upward rank with unit cost:
 * Topcuoglu et al., 2002). The edges must be acyclic. Linear in nodes plus edges.
 */
export function hopRanks(
  nodeCount: number,
  edges: readonly { readonly src: number; readonly dst: number }[],
): number[] {
  const ranks = new Array<number>(nodeCount).fill(0);
  const successorsLeft = new Array<number>(nodeCount).fill(0);
  const predecessors: number[][] = Array.from({ length: nodeCount }, () => []);
  for (const { src, dst } of edges) {
    if (src >= 0 && dst >= 0) {
      successorsLeft[src] = (successorsLeft[src] ?? 0) + 1;
      predecessors[dst]?.push(src);
    }
  }
  const settled = ranks.flatMap((_, node) => (successorsLeft[node] === 0 ? [node] : []));
  for (let next = settled.pop(); next !== undefined; next = settled.pop()) {
    for (const before of predecessors[next] ?? []) {
      ranks[before] = Math.max(ranks[before] ?? 0, (ranks[next] ?? 0) + 1);
      successorsLeft[before] = (successorsLeft[before] ?? 0) - 1;
      if (successorsLeft[before] === 0) {
        settled.push(before);
      }
    }
  }
  return ranks;
}
